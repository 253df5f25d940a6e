// Settings: what the daemon can be told, in groups, with explanations; and how the page itself looks.

import { api, logOut, session } from "../lib/api.js";
import { useEvents } from "../lib/events.js";
import { useLoad, useNarrow } from "../lib/hooks.js";
import { go, href } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { LANGUAGES, chosenLanguage, language, t } from "../lib/texts.js";
import { theme } from "../lib/theme.js";
import { toast } from "../lib/toast.js";
import { Badge, Button, Empty, Field, Icon, Loading, Page, Switch, Trouble, html, useEffect, useMemo, useState } from "../lib/ui.js";
import { ENTRIES, Entries } from "../parts/entries.js";
import { LinesInput, readList, readMap, same, writeList, writeMap } from "../parts/inputs.js";

export const name = "settings";
export const title = "nav.settings";
export const icon = "settings";
export const place = "more";

/**
 * A setting, described by the daemon.
 * @typedef {object} Setting
 * @property {string} key
 * @property {string} section
 * @property {string} title
 * @property {string} description
 * @property {"boolean" | "integer" | "number" | "text" | "path" | "list" | "map" | "secret" | "choice"} type
 * @property {string[] | null} [choices]
 * @property {number | null} [minimum]
 * @property {number | null} [maximum]
 * @property {unknown} default
 * @property {unknown} value
 * @property {boolean} set whether anything says what it is; for secrets all that is told
 * @property {boolean} restart whether a change waits for a restart
 * @property {boolean} changed_here whether it was changed over HTTP
 * @property {unknown[] | null} [examples]
 */

/** @typedef {Map<string, unknown>} Draft what was changed and not saved yet; null takes a change back */

/** @type {Record<string, () => string>} */
const SECTIONS = {
  page: () => t("settings.page"),
  account: () => t("settings.account"),
  network: () => t("settings.network"),
  client: () => t("settings.client"),
  shares: () => t("settings.shares"),
  downloads: () => t("settings.downloads"),
  transfers: () => t("settings.transfers"),
  governor: () => t("settings.governor"),
  web: () => t("settings.web"),
  daemon: () => t("settings.daemon"),
  paths: () => t("settings.paths"),
  history: () => t("settings.history"),
  metrics: () => t("settings.metrics"),
  webhooks: () => t("settings.webhooks"),
  scripts: () => t("settings.scripts"),
  log: () => t("settings.logging"),
  "": () => t("settings.rights"),
};

/** The groups that there are, those that one looks for first. @param {Setting[]} items */
function inOrder(items) {
  const there = new Set(["page", ...items.map((item) => item.section)]);
  const known = Object.keys(SECTIONS).filter((section) => there.has(section));
  return [...known, ...[...there].filter((section) => !known.includes(section)).sort()];
}

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\b([km])ib\b/g, (_, unit) => `${unit.toUpperCase()}iB`);

/** @param {string} section */
const sectionName = (section) => SECTIONS[section]?.() ?? capital(section);

/** Webhooks and scripts are groups of their own. @param {Setting[]} items */
const placed = (items) => items.map((item) => (item.section === "" && item.key in ENTRIES ? { ...item, section: item.key } : item));

/** Every setting, named and explained in the language of the page. @param {AbortSignal} signal */
async function load(signal) {
  const found = await api.get("settings/keys", {}, { signal });
  if (language === "en") return { ...found, items: placed(found.items) };
  /** @type {Record<string, [string, string]>} */
  const words = (await import(`../texts/keys/${language}.js`)).default;
  const items = placed(found.items).map((item) => {
    const [title, description] = words[item.key] ?? [item.title, item.description];
    return { ...item, title, description };
  });
  return { ...found, items };
}

/** @param {{ rest: string[] }} props */
export function View({ rest }) {
  const narrow = useNarrow();
  const { data, error, loading, reload } = useLoad(load, []);
  const [draft, setDraft] = useState(/** @type {Draft} */ (new Map()));
  const [problems, setProblems] = useState(/** @type {Record<string, string>} */ ({}));
  const [words, setWords] = useState("");
  const [busy, setBusy] = useState(false);
  const [restart, setRestart] = useState(false);
  // Told twice: when they are changed, and when the daemon goes by them.
  useEvents(["settings"], reload);

  useEffect(() => {
    if (draft.size === 0) return undefined;
    const keep = (/** @type {BeforeUnloadEvent} */ event) => event.preventDefault();
    addEventListener("beforeunload", keep);
    return () => removeEventListener("beforeunload", keep);
  }, [draft.size]);

  const items = /** @type {Setting[]} */ (data?.items ?? []);
  const editable = Boolean(data?.editable);
  const sections = useMemo(() => inOrder(items), [data]);
  const wanted = words.trim().toLowerCase();
  const found = useMemo(() => (wanted ? items.filter((item) => matches(item, wanted)) : []), [data, wanted]);
  const section = rest[0] === undefined ? "page" : rest[0] === "rights" ? "" : rest[0];

  /** @param {Setting} item @param {unknown} value */
  const change = (item, value) => {
    const next = new Map(draft);
    if (same(value, item.value) && item.type !== "secret") next.delete(item.key);
    else next.set(item.key, value);
    setDraft(next);
    const wrong = value === null ? "" : check(item, value);
    setProblems(({ [item.key]: _, ...others }) => (wrong ? { ...others, [item.key]: wrong } : others));
  };
  const discard = () => {
    setDraft(new Map());
    setProblems({});
  };
  const save = async () => {
    setBusy(true);
    try {
      const answer = await api.patch("settings", { values: Object.fromEntries([...draft].map(([key, value]) => [key, sent(items, key, value)])) });
      setDraft(new Map());
      setProblems({});
      setRestart(restart || answer.restart);
      toast(answer.restart ? t("settings.savedRestart") : t("settings.saved"), { tone: answer.restart ? "plain" : "good" });
      reload();
    } catch (error) {
      refuse(/** @type {import("../lib/api.js").ApiError} */ (error));
    }
    setBusy(false);
  };
  /** What is wrong is shown at the setting that it is about. @param {import("../lib/api.js").ApiError} error */
  const refuse = ({ message, detail = "" }) => {
    const keys = [...draft.keys()].sort((one, other) => other.length - one.length);
    const key = keys.find((changed) => detail.includes(changed));
    if (key) setProblems((known) => ({ ...known, [key]: message }));
    else toast(message, { tone: "bad" });
  };
  const wrong = Object.keys(problems).length > 0;
  const one = (/** @type {Setting} */ item) =>
    item.key in ENTRIES
      ? html`<${Entries} key=${item.key} setting=${item} title=${capital(item.title)} />`
      : html`
    <${OneSetting}
      key=${item.key}
      item=${item}
      value=${draft.has(item.key) ? draft.get(item.key) : item.value}
      changed=${draft.has(item.key)}
      problem=${problems[item.key]}
      editable=${editable}
      change=${(/** @type {unknown} */ value) => change(item, value)}
    />
  `;
  const shownItems = items.filter((item) => item.section === section);
  const finder = html`
    <input
      type="search"
      aria-label=${t("settings.find")}
      placeholder=${t("settings.find")}
      value=${words}
      onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
    />
  `;
  return html`
    <${Page} title=${t("nav.settings")} fill actions=${finder}>
      <div class="settings">
        <${Sections} sections=${sections} section=${wanted ? null : section} draft=${draft} items=${items} narrow=${narrow} />
        <div class="scroll padded">
          ${error && !data && section !== "page" && html`<${Trouble} error=${error} retry=${reload} />`}
          ${loading && !data && section !== "page" && html`<${Loading} label=${t("settings.loading")} />`}
          ${restart && html`<p class="notice warn"><${Icon} name="warning" /> ${t("settings.restartNeeded")}</p>`}
          ${data && !editable && (section !== "page" || wanted) && html`<p class="notice"><${Icon} name="lock" /> ${t("settings.readOnly")}</p>`}
          ${wanted
            ? html`
                <section class="settings-group">
                  <h2>${t("settings.foundCount", { count: found.length })}</h2>
                  ${found.length === 0 ? html`<${Empty} icon="search" title=${t("settings.noneFound")} text=${t("settings.noneFoundText")} />` : found.map(one)}
                </section>
              `
            : section === "page"
              ? html`<${ThisPage} />`
              : html`
                  <section class="settings-group">
                    <h2>${sectionName(section)}</h2>
                    ${shownItems.map(one)}
                  </section>
                `}
        </div>
      </div>
      ${draft.size > 0 &&
      html`
        <footer class="save-bar" role="region" aria-label=${t("settings.changes", { count: draft.size })}>
          <span class="num grow">${t("settings.changes", { count: draft.size })}</span>
          <${Button} onClick=${discard}>${t("settings.discard")}<//>
          <${Button} kind="primary" busy=${busy} disabled=${wrong} onClick=${save}>${t("settings.save")}<//>
        </footer>
      `}
    <//>
  `;
}

/** @param {Setting} item @param {string} words */
function matches(item, words) {
  return [item.key, item.title, item.description].some((text) => text.toLowerCase().includes(words));
}

/**
 * What is wrong with a value before the daemon is asked; empty if nothing is.
 * @param {Setting} item @param {unknown} value
 */
function check(item, value) {
  if (item.type !== "integer" && item.type !== "number") return "";
  if (value === "" || value === null) return "";
  const number = Number(value);
  if (!Number.isFinite(number)) return t("settings.noNumber");
  if (item.type === "integer" && !Number.isInteger(number)) return t("settings.noWhole");
  const { minimum, maximum } = item;
  if (minimum !== null && minimum !== undefined && number < minimum) return t("settings.tooSmall", { minimum });
  if (maximum !== null && maximum !== undefined && number > maximum) return t("settings.tooLarge", { maximum });
  return "";
}

/** As the daemon wants it: numbers as numbers. @param {Setting[]} items @param {string} key @param {unknown} value */
function sent(items, key, value) {
  const type = items.find((item) => item.key === key)?.type;
  if (type !== "integer" && type !== "number") return value;
  return value === "" || value === null ? null : Number(value);
}

/** @param {{ sections: string[], section: string | null, draft: Draft, items: Setting[], narrow: boolean }} props */
function Sections({ sections, section, draft, items, narrow }) {
  const count = (/** @type {string} */ one) => items.filter((item) => item.section === one && draft.has(item.key)).length;
  const address = (/** @type {string} */ one) => href("settings", one || "rights");
  if (narrow) {
    return html`
      <label class="settings-choose">
        <span class="visually-hidden">${t("settings.sections")}</span>
        <select value=${section ?? ""} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => go("settings", event.currentTarget.value || "rights")}>
          ${sections.map((one) => html`<option key=${one} value=${one} selected=${one === section}>${sectionName(one)}</option>`)}
        </select>
      </label>
    `;
  }
  return html`
    <nav class="talk-side" aria-label=${t("settings.sections")}>
      <ul>
        ${sections.map(
          (one) => html`
            <li key=${one}>
              <a href=${address(one)} aria-current=${one === section ? "page" : undefined}>
                <span class="grow clip">${sectionName(one)}</span>
                ${count(one) > 0 && html`<span class="unread" aria-label=${t("settings.changes", { count: count(one) })}>${count(one)}</span>`}
              </a>
            </li>
          `,
        )}
      </ul>
    </nav>
  `;
}

// -- one setting

/**
 * @param {{ item: Setting, value: unknown, changed: boolean, problem: string | undefined, editable: boolean,
 *           change: (value: unknown) => void }} props
 */
function OneSetting({ item, value, changed, problem, editable, change }) {
  const shown = value === null && changed ? item.default : value;
  return html`
    <div class=${changed ? "setting changed" : "setting"} data-id=${item.key}>
      <${Input} item=${item} value=${shown} problem=${problem} editable=${editable} change=${change} changed=${changed && value !== null} />
      <p class="row wrap small">
        <code class="muted">${item.key}</code>
        ${item.restart && html`<${Badge} tone="warn" title=${t("settings.restartHint")}>${t("settings.restart")}<//>`}
        ${changed && html`<${Badge} tone="accent">${value === null ? t("settings.takesBack") : t("settings.notSaved")}<//>`}
        ${item.changed_here && !changed && html`<${Badge} tone="plain" title=${t("settings.changedHereHint")}>${t("settings.changedHere")}<//>`}
        ${!same(item.default, item.value) && item.type !== "secret" && html`<span class="muted">${t("settings.default", { value: said(item, item.default) })}</span>`}
        ${editable &&
        item.changed_here &&
        !changed &&
        html`<button type="button" class="link" onClick=${() => change(null)}>${t("settings.takeBack")}</button>`}
      </p>
    </div>
  `;
}

/** A value in words. @param {Setting} item @param {unknown} value */
function said(item, value) {
  if (value === null || value === undefined || value === "") return t("settings.nothing");
  if (item.type === "boolean") return value ? t("settings.on") : t("settings.off");
  if (Array.isArray(value)) return value.length ? value.join(", ") : t("settings.nothing");
  if (typeof value === "object") return Object.keys(value).length ? JSON.stringify(value) : t("settings.nothing");
  return String(value);
}

/**
 * @param {{ item: Setting, value: unknown, problem: string | undefined, editable: boolean, changed: boolean,
 *           change: (value: unknown) => void }} props
 */
function Input({ item, value, problem, editable, changed, change }) {
  const disabled = !editable;
  const onInput = (/** @type {{ currentTarget: HTMLInputElement }} */ event) => change(event.currentTarget.value);
  const field = (/** @type {any} */ input) => html`<${Field} label=${capital(item.title)} hint=${item.description} error=${problem}>${input}<//>`;
  const example = item.examples?.[0];
  switch (item.type) {
    case "boolean":
      return html`
        <${Switch} label=${capital(item.title)} hint=${item.description} checked=${Boolean(value)} disabled=${disabled} onChange=${change} />
        ${problem && html`<p class="error" role="alert">${problem}</p>`}
      `;
    case "choice":
      return field(html`
        <select disabled=${disabled} value=${String(value)} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => change(event.currentTarget.value)}>
          ${(item.choices ?? []).map((choice) => html`<option key=${choice} value=${choice} selected=${choice === value}>${choice}</option>`)}
        </select>
      `);
    case "integer":
    case "number":
      return field(html`
        <input class="short num" inputmode="decimal" disabled=${disabled} value=${String(value ?? "")} placeholder=${String(item.default ?? "")} onInput=${onInput} />
      `);
    case "secret":
      return field(html`
        <input
          type="password"
          autocomplete="new-password"
          disabled=${disabled}
          value=${changed ? String(value ?? "") : ""}
          placeholder=${item.set ? t("settings.secretSet") : t("settings.secretUnset")}
          onInput=${onInput}
        />
      `);
    case "list":
      return field(html`<${LinesInput} value=${value} disabled=${disabled} change=${change} read=${readList} write=${writeList} example=${example} />`);
    case "map":
      return nested(value)
        ? html`
            <div class="field">
              <span class="label">${capital(item.title)}</span>
              <pre class="card" tabindex="0">${JSON.stringify(value, null, 2)}</pre>
              <p class="hint">${item.description} ${t("settings.inFile")}</p>
            </div>
          `
        : field(html`<${LinesInput} value=${value} disabled=${disabled} change=${change} read=${readMap} write=${writeMap} example=${example} />`);
    default:
      return field(html`
        <input disabled=${disabled} value=${String(value ?? "")} spellcheck=${false} placeholder=${String(example ?? item.default ?? "")} onInput=${onInput} />
      `);
  }
}

/** @param {unknown} value */
function nested(value) {
  return typeof value === "object" && value !== null && Object.values(value).some((inner) => typeof inner === "object");
}

// -- the page itself

function ThisPage() {
  const chosen = useStore(theme);
  const who = useStore(session);
  const themes = [
    ["auto", t("settings.themeSystem")],
    ["light", t("settings.themeLight")],
    ["dark", t("settings.themeDark")],
  ];
  return html`
    <section class="settings-group">
      <h2>${t("settings.page")}</h2>
      <p class="muted">${t("settings.pageText")}</p>
      <div class="setting">
        <${Field} label=${t("settings.theme")} hint=${t("settings.themeHint")}>
          <select value=${chosen} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => theme.set(/** @type {any} */ (event.currentTarget.value))}>
            ${themes.map(([id, label]) => html`<option key=${id} value=${id} selected=${id === chosen}>${label}</option>`)}
          </select>
        <//>
      </div>
      <div class="setting">
        <${Field} label=${t("settings.language")} hint=${t("settings.languageHint")}>
          <select
            value=${language}
            onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => {
              chosenLanguage.set(event.currentTarget.value);
              location.reload();
            }}
          >
            ${Object.entries(LANGUAGES).map(([id, label]) => html`<option key=${id} value=${id} lang=${id} selected=${id === language}>${label}</option>`)}
          </select>
        <//>
      </div>
      ${who.authentication &&
      html`
        <div class="setting">
          <p>${who.name ? t("settings.loggedInAs", { user: who.name }) : t("settings.loggedInByKey")}</p>
          <${Button} icon="out" onClick=${logOut}>${t("settings.logOut")}<//>
        </div>
      `}
    </section>
  `;
}
