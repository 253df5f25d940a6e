// Webhooks, scripts and further API keys: tables of settings, each entry with its name.

import { api, p, session } from "../lib/api.js";
import { Dialog, ask } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import { Badge, Button, Field, Icon, IconButton, Loading, Switch, Trouble, html, useState } from "../lib/ui.js";
import { LinesInput, readList, readMap, writeList, writeMap } from "./inputs.js";

/** Which settings are such tables, and what the API calls them. @type {Record<string, "webhooks" | "scripts" | "keys">} */
export const ENTRIES = { webhooks: "webhooks", scripts: "scripts", "web.api_keys": "keys" };

/**
 * A field of an entry, described by the daemon.
 * @typedef {object} EntryField
 * @property {string} name
 * @property {string} type
 * @property {string[] | null} choices
 * @property {boolean} required
 * @property {any} default
 */

/** @typedef {{ name: string, values: Record<string, any>, secrets: string[] }} Entry */
/** @typedef {{ kind: string, changed_here: boolean, fields: EntryField[], entries: Entry[] }} Kind */

/** @param {{ setting: { key: string, description: string }, title: string }} props */
export function Entries({ setting, title }) {
  const kind = ENTRIES[setting.key];
  const { administrator } = useStore(session);
  const { data, error, loading, reload } = useLoad(
    (signal) => (administrator ? api.get("settings/entries", {}, { signal }) : Promise.resolve(null)),
    [administrator],
  );
  useEvents(["settings"], reload);
  const [open, setOpen] = useState(/** @type {{ entry: Entry | null } | null} */ (null));
  const [remove] = useAction(async (/** @type {Entry} */ entry) => {
    const sure = await ask({ title: t("entries.removeTitle", { name: entry.name }), text: t("entries.removeText"), action: t("entries.remove"), danger: true });
    if (!sure) return;
    await api.delete(p`settings/entries/${kind}/${entry.name}`);
    reload();
  });
  const [takeBack] = useAction(async () => {
    await api.patch("settings", { values: { [setting.key]: null } });
    reload();
  });
  const found = /** @type {Kind | undefined} */ (data?.items.find((/** @type {Kind} */ one) => one.kind === kind));
  const editable = Boolean(data?.editable);
  return html`
    <section class="setting entries" data-id=${setting.key} aria-label=${title}>
      <h3 class="row">
        <span class="grow">${title}</span>
        ${found?.changed_here && html`<${Badge} tone="plain" title=${t("settings.changedHereHint")}>${t("settings.changedHere")}<//>`}
        ${editable && html`<${Button} icon="plus" onClick=${() => setOpen({ entry: null })}>${t(`entries.add.${kind}`)}<//>`}
      </h3>
      <p class="hint">${t(`entries.about.${kind}`)}</p>
      ${!administrator && html`<p class="notice"><${Icon} name="lock" /> ${t("entries.administrator")}</p>`}
      ${error && !data && html`<${Trouble} error=${error} retry=${reload} />`}
      ${administrator && loading && !data && html`<${Loading} />`}
      ${data && !editable && html`<p class="notice"><${Icon} name="lock" /> <span>${data.file ? t("entries.inFile", { file: data.file, table: setting.key }) : t("entries.inOptions", { table: setting.key })}</span></p>`}
      ${found && found.entries.length === 0 && html`<p class="muted">${t(`entries.none.${kind}`)}</p>`}
      ${found &&
      found.entries.length > 0 &&
      html`
        <ul class="plain-list card">
          ${found.entries.map(
            (entry) => html`
              <li key=${entry.name} class="row" data-id=${entry.name}>
                <div class="grow entry">
                  <b class="clip" dir="auto">${entry.name}</b>
                  <span class="muted small" dir="auto">${summary(entry)}</span>
                </div>
                ${editable &&
                html`<${IconButton} icon="edit" label=${t("entries.edit", { name: entry.name })} onClick=${() => setOpen({ entry })} />
                  <${IconButton} icon="trash" label=${t("entries.removeNamed", { name: entry.name })} onClick=${() => remove(entry)} />`}
              </li>
            `,
          )}
        </ul>
      `}
      ${editable && found?.changed_here && html`<p class="small"><button type="button" class="link" onClick=${takeBack}>${t("entries.takeBack")}</button></p>`}
      ${open && found && html`<${Edit} kind=${kind} fields=${found.fields} entry=${open.entry} names=${found.entries.map(({ name }) => name)}
        onClose=${() => setOpen(null)} onDone=${reload} />`}
    </section>
  `;
}

/** What one sees of an entry at a glance. @param {Entry} entry */
function summary({ values }) {
  const what = values.url ?? values.command ?? (values.executable ? [values.executable, ...(values.args ?? [])].join(" ") : null);
  const when = Array.isArray(values.on) ? values.on.join(", ") : null;
  return [what, when, values.role, values.cidr].filter(Boolean).join(" · ");
}

/**
 * @param {{ kind: string, fields: EntryField[], entry: Entry | null, names: string[], onClose: () => void, onDone: () => void }} props
 *   entry: null makes a new one
 */
function Edit({ kind, fields, entry, names, onClose, onDone }) {
  const [name, setName] = useState(entry?.name ?? "");
  const [values, setValues] = useState(
    /** @type {Record<string, any>} */ (entry ? entry.values : Object.fromEntries(fields.map((field) => [field.name, field.type === "secret" ? null : field.default]))),
  );
  const [problem, setProblem] = useState(/** @type {{ field: string, text: string }} */ ({ field: "", text: "" }));
  const [busy, setBusy] = useState(false);
  const taken = !entry && names.includes(name.trim());
  const missing = fields.some((field) => field.required && !(values[field.name] || entry?.secrets.includes(field.name)));
  /** @param {string} field @param {any} value */
  const change = (field, value) => setValues((old) => ({ ...old, [field]: value }));
  const save = async () => {
    if (!name.trim() || taken || missing) return;
    setBusy(true);
    try {
      await api.put(p`settings/entries/${kind}/${name.trim()}`, { values: sent(fields, values) });
      toast(t("settings.saved"), { tone: "good" });
      onDone();
      onClose();
    } catch (error) {
      const { message, detail = "" } = /** @type {import("../lib/api.js").ApiError} */ (error);
      // The daemon names the field; it is shown where it stands.
      const field = fields.find((one) => new RegExp(`\\b${one.name}\\b`).test(detail))?.name ?? "";
      setProblem({ field, text: message });
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${entry ? t("entries.edit", { name: entry.name }) : t(`entries.add.${kind}`)} onClose=${onClose} onSubmit=${save} wide
      actions=${html`<${Button} onClick=${onClose}>${t("cancel")}<//>
        <${Button} type="submit" kind="primary" busy=${busy} disabled=${!name.trim() || taken || missing}>${t("settings.save")}<//>`}>
      ${problem.text && !problem.field && html`<p class="error" role="alert">${problem.text}</p>`}
      <${Field} label=${t("entries.name")} hint=${t("entries.nameHint")} error=${taken ? t("entries.taken") : ""}>
        <input value=${name} maxlength="100" disabled=${Boolean(entry)} spellcheck=${false} autofocus=${!entry}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setName(event.currentTarget.value)} />
      <//>
      ${fields.map(
        (field) => html`<${EntryInput} key=${field.name} field=${field} value=${values[field.name]} there=${Boolean(entry?.secrets.includes(field.name))}
          problem=${problem.field === field.name ? problem.text : ""} change=${(/** @type {any} */ value) => change(field.name, value)} />`,
      )}
    <//>
  `;
}

/** As the daemon wants it: numbers as numbers; a secret that was not typed is left out. @param {EntryField[]} fields @param {Record<string, any>} values */
function sent(fields, values) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const { name, type } of fields) {
    const value = values[name];
    if (type === "secret" && (value === null || value === undefined)) continue;
    const number = type === "integer" || type === "number";
    found[name] = number && value !== null && value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
  }
  return found;
}

/** @param {{ field: EntryField, value: any, there: boolean, problem: string, change: (value: any) => void }} props */
function EntryInput({ field, value, there, problem, change }) {
  const typed = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => change(event.currentTarget.value);
  const label = t(`entries.field.${field.name}`);
  const hint = t(`entries.hint.${field.name}`);
  const shown = (/** @type {any} */ input) => html`<${Field} label=${label} hint=${hint} error=${problem}>${input}<//>`;
  switch (field.type) {
    case "boolean":
      return html`<${Switch} label=${label} hint=${hint} checked=${Boolean(value)} onChange=${change} />`;
    case "choice":
      return shown(html`<select value=${value} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => change(event.currentTarget.value)}>
        ${(field.choices ?? []).map((choice) => html`<option key=${choice} value=${choice} selected=${choice === value}>${choice}</option>`)}</select>`);
    case "list":
      return shown(html`<${LinesInput} value=${value ?? []} disabled=${false} change=${change} read=${readList} write=${writeList} example=${null} />`);
    case "map":
      return shown(html`<${LinesInput} value=${value ?? {}} disabled=${false} change=${change} read=${readMap} write=${writeMap} example=${null} />`);
    case "secret":
      return shown(html`<input type="password" autocomplete="new-password" value=${value ?? ""} onInput=${typed}
        placeholder=${there ? t("settings.secretSet") : t("settings.secretUnset")} />`);
    case "integer":
    case "number":
      return shown(html`<input class="short num" inputmode="decimal" value=${String(value ?? "")} onInput=${typed} />`);
    default:
      return shown(html`<input value=${value ?? ""} spellcheck=${false} onInput=${typed} />`);
  }
}
