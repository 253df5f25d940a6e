// Shares: the folders others may see, who may, how a scan goes, and why a file is offered or not.

import { ApiError, api, p, session } from "../lib/api.js";
import { Dialog, ask } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { ago, count, percent, seconds, size } from "../lib/format.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { useStore } from "../lib/store.js";
import { said, t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import { Badge, Button, Empty, Field, Icon, IconButton, Loading, Menu, Page, Progress, Switch, Trouble, html, useId, useState } from "../lib/ui.js";

export const name = "shares";
export const title = "nav.shares";
export const icon = "shares";
export const place = "more";

/**
 * A shared folder.
 * @typedef {object} Root
 * @property {number} id
 * @property {string} name its first part in remote paths
 * @property {string} path
 * @property {string[]} audience everyone, friends, user:NAME, group:NAME
 * @property {boolean} locked whether others see it as locked
 * @property {string[]} exclude
 * @property {boolean} hidden whether names with a dot are shared
 * @property {boolean} online
 * @property {number} files
 * @property {string | null} scanned
 * @property {boolean} from_settings
 * @property {number} [problems]
 */

/**
 * @typedef {object} Shares
 * @property {boolean} scanning
 * @property {boolean} pending
 * @property {boolean} faulted
 * @property {boolean} cancelled
 * @property {number} progress
 * @property {Going | null} scan how far it is
 * @property {number} folders
 * @property {number} files
 * @property {Root[]} roots
 */

/**
 * How far a scan is.
 * @typedef {object} Going
 * @property {number} progress from 0 to 1, of all of it
 * @property {string} phase
 * @property {string} root the shared folder that is looked through
 * @property {number} done
 * @property {number | null} total
 * @property {number} rate files per second
 * @property {number | null} seconds_left of this phase
 */

export function View() {
  const shares = useLoad((signal) => api.get("shares", {}, { signal }), []);
  const [going, setGoing] = useState(/** @type {Going | null} */ (null));
  const [editing, setEditing] = useState(/** @type {Root | "new" | null} */ (null));
  useEvents(["share"], ({ kind, data }) => {
    if (kind === "share.progress") setGoing(data);
    else {
      setGoing(null);
      shares.reload();
    }
  });
  const [scan, busy] = useAction(async () => {
    await api.post("shares/scan");
    shares.reload();
  });
  const [scanOne] = useAction(async (/** @type {Root} */ root) => {
    await api.post(`shares/scan?roots=${root.id}`);
    shares.reload();
  });
  const [stop] = useAction(async () => {
    await api.delete("shares/scan");
    shares.reload();
  });
  const found = /** @type {Shares | undefined} */ (shares.data);
  const may = useStore(session, ({ administrator }) => administrator);
  const scanning = Boolean(going) || Boolean(found?.scanning);
  const actions = html`
    ${scanning
      ? html`<${Button} changes icon="stop" onClick=${stop}>${t("shares.stop")}<//>`
      : html`<${Button} changes icon="again" busy=${busy} onClick=${scan}>${t("shares.scan")}<//>`}
    ${may && html`<${Button} icon="plus" kind="primary" onClick=${() => setEditing("new")}>${t("shares.add")}<//>`}
  `;
  return html`
    <${Page} title=${t("nav.shares")} actions=${actions}>
      ${shares.error && !found && html`<${Trouble} error=${shares.error} retry=${shares.reload} />`}
      ${shares.loading && !found && html`<${Loading} label=${t("shares.loading")} />`}
      ${found &&
      html`
        <div class="stack">
          <${Summary} shares=${found} going=${going} scanning=${scanning} />
          ${found.roots.length === 0
            ? html`
                <${Empty} icon="shares" title=${t("shares.none")} text=${t("shares.noneText")}>
                  ${may && html`<${Button} icon="plus" kind="primary" onClick=${() => setEditing("new")}>${t("shares.add")}<//>`}
                <//>
              `
            : html`
                <ul class="roots">
                  ${found.roots.map(
                    (root) => html`
                      <li key=${root.id} class="card" data-id=${root.name}>
                        <${OneRoot} root=${root} may=${may} scanning=${scanning} scan=${() => scanOne(root)} edit=${() => setEditing(root)} reload=${shares.reload} />
                      </li>
                    `,
                  )}
                </ul>
              `}
          <${Explain} />
          <${Problems} scanned=${found.roots.map((root) => root.scanned).join()} />
        </div>
      `}
      ${editing &&
      html`<${Editor}
        root=${editing === "new" ? null : editing}
        close=${() => setEditing(null)}
        done=${() => {
          setEditing(null);
          shares.reload();
        }}
      />`}
    <//>
  `;
}

/** @param {{ shares: Shares, going: Going | null, scanning: boolean }} props */
function Summary({ shares, going: told, scanning }) {
  const going = told ?? shares.scan;
  const part = going ? going.progress : shares.progress;
  const all = shares.roots.reduce((sum, root) => sum + root.files, 0);
  const offline = shares.roots.filter((root) => !root.online).length;
  return html`
    <section class="card" aria-label=${t("shares.state")}>
      <div class="tiles">
        <div class="tile">
          <b class="num">${count(all)}</b><span>${t("shares.files")}</span>
          ${all !== shares.files && html`<small class="muted num">${t("shares.forEveryone", { count: shares.files })}</small>`}
        </div>
        <div class="tile"><b class="num">${count(shares.folders)}</b><span>${t("shares.folders")}</span></div>
        <div class="tile"><b class="num">${count(shares.roots.length)}</b><span>${t("shares.roots")}</span></div>
        <div class="tile">
          <b>
            ${scanning
              ? html`<${Badge} tone="accent">${t("shares.scanning")}<//>`
              : shares.faulted
                ? html`<${Badge} tone="bad">${t("shares.faulted")}<//>`
                : offline
                  ? html`<${Badge} tone="warn">${t("shares.offlineCount", { count: offline })}<//>`
                  : shares.cancelled
                    ? html`<${Badge} tone="warn">${t("shares.cancelled")}<//>`
                    : html`<${Badge} tone="good">${t("shares.ready")}<//>`}
          </b>
          <span>${t("shares.state")}</span>
        </div>
      </div>
      ${scanning &&
      html`
        <div class="scan" role="status">
          <${Progress} value=${part} label=${t("shares.scanning")} />
          <p class="row wrap small muted num">
            <span>${phaseName(going?.phase)}${going?.root ? html` <bdi>${going.root}</bdi>` : null}</span>
            <span class="grow"></span>
            ${going && html`<span>${going.total ? t("shares.doneOf", { done: going.done, total: going.total }) : t("shares.done", { count: going.done })}</span>`}
            ${going && going.rate > 0 && html`<span>${t("shares.rate", { count: Math.round(going.rate) })}</span>`}
            ${going && going.seconds_left !== null && html`<span>${t("shares.left", { time: seconds(going.seconds_left) })}</span>`}
            <span>${percent(part)}</span>
          </p>
        </div>
      `}
      ${shares.faulted && !scanning && html`<p class="trouble-line"><${Icon} name="warning" /> ${t("shares.faultedText")}</p>`}
    </section>
  `;
}

/** @param {string | undefined} phase */
function phaseName(phase) {
  if (phase === "walking") return t("shares.walking");
  if (phase === "reading") return t("shares.reading");
  if (phase === "indexing") return t("shares.indexing");
  return t("shares.beginning");
}

/** @param {{ root: Root, may: boolean, scanning: boolean, scan: () => void, edit: () => void, reload: () => void }} props */
function OneRoot({ root, may, scanning, scan, edit, reload }) {
  const [remove] = useAction(async () => {
    const sure = await ask({ title: t("shares.removeTitle", { root: root.name }), text: t("shares.removeText", { path: root.path }), action: t("shares.remove"), danger: true });
    if (!sure) return;
    await api.delete(p`shares/roots/${root.id}`);
    reload();
  });
  return html`
    <header class="row">
      <${Icon} name=${root.locked || !root.audience.includes("everyone") ? "lock" : "folder"} />
      <h2 class="grow clip" dir="auto">${root.name}</h2>
      ${!root.online && html`<${Badge} tone="warn" title=${t("shares.offlineText")}>${t("shares.offline")}<//>`}
      <${IconButton} changes icon="again" label=${t("shares.scanOne", { root: root.name })} disabled=${scanning} onClick=${scan} />
      ${may &&
      html`
        <${Menu}
          label=${t("shares.actions", { root: root.name })}
          icon="more"
          items=${[
            { title: t("shares.edit"), icon: "edit", run: edit },
            !root.from_settings && { title: t("shares.remove"), icon: "trash", danger: true, run: remove },
          ]}
        />
      `}
    </header>
    <p class="clip"><code title=${root.path}>${root.path}</code></p>
    ${!root.online && html`<p class="small warn-text">${t("shares.offlineText")}</p>`}
    <p class="row wrap">
      ${root.audience.map((word) => html`<${Badge} key=${word} tone=${word === "everyone" ? "good" : "accent"}>${audienceName(word)}<//>`)}
      ${root.audience.length === 0 && html`<${Badge} tone="bad">${t("shares.nobody")}<//>`}
      ${root.locked && html`<${Badge} tone="plain">${t("shares.othersLocked")}<//>`}
      ${root.hidden && html`<${Badge} tone="plain">${t("shares.withHidden")}<//>`}
      ${root.from_settings && html`<${Badge} tone="plain" title=${t("shares.fromSettingsText")}>${t("shares.fromSettings")}<//>`}
    </p>
    <p class="row wrap small muted num">
      <span>${t("shares.filesCount", { count: root.files })}</span>
      <span>${root.scanned ? t("shares.scanned", { ago: ago(root.scanned) }) : t("shares.notScanned")}</span>
      ${root.exclude.length > 0 && html`<span>${t("shares.leftOut")} <code>${root.exclude.join("  ")}</code></span>`}
      ${Boolean(root.problems) && html`<span class="warn-text">${t("shares.problemsCount", { count: root.problems })}</span>`}
    </p>
  `;
}

/** @param {string} word */
function audienceName(word) {
  if (word === "everyone") return t("shares.everyone");
  if (word === "friends") return t("shares.friends");
  const [kind, ...rest] = word.split(":");
  return kind === "group" ? t("shares.group", { group: rest.join(":") }) : rest.join(":");
}

// -- adding and changing a folder

/** @param {{ root: Root | null, close: () => void, done: () => void }} props */
function Editor({ root, close, done }) {
  const [path, setPath] = useState(root?.path ?? "");
  const [alias, setAlias] = useState("");
  const words = root?.audience ?? ["everyone"];
  const [who, setWho] = useState(words.includes("everyone") ? "everyone" : words.every((word) => word === "friends") ? "friends" : "chosen");
  const [friends, setFriends] = useState(words.includes("friends"));
  const [people, setPeople] = useState(
    words
      .filter((word) => word.includes(":"))
      .map((word) => word.replace(/^user:/, ""))
      .join("\n"),
  );
  const [locked, setLocked] = useState(root?.locked ?? false);
  const [exclude, setExclude] = useState((root?.exclude ?? []).join("\n"));
  const [hidden, setHidden] = useState(root?.hidden ?? false);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const group = useId("audience");

  const audience = () => {
    if (who !== "chosen") return [who];
    const names = lines(people).map((line) => (line.startsWith("group:") ? line : `user:${line}`));
    return friends ? ["friends", ...names] : names;
  };
  /** @param {string} query */
  const send = (query) => {
    const body = { audience: audience(), locked: locked && who !== "everyone", exclude: lines(exclude), hidden };
    if (root) return api.patch(p`shares/roots/${root.id}` + query, body);
    return api.post("shares/roots" + query, { path: path.trim(), name: alias.trim() || null, ...body });
  };
  const save = async () => {
    setBusy(true);
    setProblem("");
    try {
      const saved = await send("").catch(async (error) => {
        // The whole disk, or nearly all files left out: done if it is meant.
        if (!(error instanceof ApiError) || error.status !== 409) throw error;
        const sure = await ask({ title: t("shares.sureTitle"), text: error.message, action: t("shares.sure"), danger: true });
        if (!sure) throw error;
        return send("?confirmed=true");
      });
      for (const warning of saved.warnings) toast(said(warning), { tone: "bad" });
      done();
    } catch (error) {
      setProblem(/** @type {Error} */ (error).message);
      setBusy(false);
    }
  };
  const kinds = [
    ["everyone", t("shares.everyone"), t("shares.everyoneText")],
    ["friends", t("shares.friends"), t("shares.friendsText")],
    ["chosen", t("shares.chosen"), t("shares.chosenText")],
  ];
  const actions = html`
    <${Button} onClick=${close}>${t("shares.cancel")}<//>
    <${Button} kind="primary" type="submit" busy=${busy} disabled=${!root && !path.trim()}>${root ? t("shares.save") : t("shares.share")}<//>
  `;
  return html`
    <${Dialog} title=${root ? t("shares.editTitle", { root: root.name }) : t("shares.addTitle")} onClose=${close} onSubmit=${save} actions=${actions} wide>
      <div class="stack">
        ${root
          ? html`<p><code>${root.path}</code></p>`
          : html`
              <${Field} label=${t("shares.path")} hint=${t("shares.pathHint")} error=${problem}>
                <input value=${path} autofocus placeholder="/srv/music" spellcheck=${false} onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setPath(event.currentTarget.value)} />
              <//>
            `}
        ${root && problem && html`<p class="error" role="alert">${problem}</p>`}
        ${!root &&
        html`<${Field} label=${t("shares.alias")} hint=${t("shares.aliasHint")}>
          <input value=${alias} maxlength="100" onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setAlias(event.currentTarget.value)} />
        <//>`}
        <fieldset class="choices">
          <legend>${t("shares.audience")}</legend>
          ${kinds.map(
            ([id, label, hint]) => html`
              <label key=${id} class="option">
                <input type="radio" name=${group} value=${id} checked=${who === id} onChange=${() => setWho(id)} />
                <span><b>${label}</b><small class="muted">${hint}</small></span>
              </label>
            `,
          )}
        </fieldset>
        ${who === "chosen" &&
        html`
          <${Field} label=${t("shares.people")} hint=${t("shares.peopleHint")}>
            <textarea rows="3" value=${people} onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => setPeople(event.currentTarget.value)}></textarea>
          <//>
          <${Switch} label=${t("shares.friendsToo")} checked=${friends} onChange=${setFriends} />
        `}
        ${who !== "everyone" && html`<${Switch} label=${t("shares.locked")} hint=${t("shares.lockedHint")} checked=${locked} onChange=${setLocked} />`}
        <${Field} label=${t("shares.exclude")} hint=${t("shares.excludeHint")}>
          <textarea rows="2" value=${exclude} spellcheck=${false} onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => setExclude(event.currentTarget.value)}></textarea>
        <//>
        <${Switch} label=${t("shares.hidden")} checked=${hidden} onChange=${setHidden} />
      </div>
    <//>
  `;
}

/** @param {string} text */
function lines(text) {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

// -- why a file is offered, and what could not be read

function Explain() {
  const [path, setPath] = useState("");
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      setAnswer(await api.get("shares/explain", { path: path.trim() }));
    } catch (error) {
      setAnswer(null);
      setProblem(/** @type {Error} */ (error).message);
    }
    setBusy(false);
  };
  return html`
    <section class="card">
      <h2>${t("shares.explain")}</h2>
      <form class="wish-new" onSubmit=${submit}>
        <${Field} label=${t("shares.explainPath")} hint=${t("shares.explainHint")} error=${problem}>
          <input value=${path} spellcheck=${false} onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setPath(event.currentTarget.value)} />
        <//>
        <${Button} type="submit" busy=${busy} disabled=${!path.trim()}>${t("shares.explainAction")}<//>
      </form>
      ${answer &&
      html`
        <div class="explained" role="status">
          <p class="row">
            ${answer.offered ? html`<${Badge} tone="good">${t("shares.isOffered")}<//>` : html`<${Badge} tone="bad">${t("shares.isNotOffered")}<//>`}
            <span>${said(answer.reason)}</span>
          </p>
          <dl class="facts">
            ${fact(t("shares.onDisk"), answer.path)} ${fact(t("shares.remote"), answer.remote_path)} ${fact(t("shares.root"), answer.root)}
            ${fact(t("shares.audience"), answer.audience)} ${fact(t("shares.size"), answer.size === null ? null : size(answer.size))}
            ${fact(t("shares.unreadable"), answer.problem)}
          </dl>
        </div>
      `}
    </section>
  `;
}

/** @param {string} term @param {string | null | undefined} value */
function fact(term, value) {
  return value ? html`<div key=${term}><dt>${term}</dt><dd dir="auto">${value}</dd></div>` : null;
}

/** @typedef {{ root: string, path: string, reason: string }} Problem */

/** @param {{ scanned: string }} props */
function Problems({ scanned }) {
  const { data, error } = useLoad((signal) => api.all("shares/problems", {}, { signal, most: 5000 }), [scanned]);
  const found = /** @type {Problem[]} */ (data ?? []);
  if (error || found.length === 0) return null;
  return html`
    <section class="card problems">
      <h2>${t("shares.problems", { count: found.length })}</h2>
      <p class="muted small">${t("shares.problemsText")}</p>
      <${List}
        label=${t("shares.problemsTitle")}
        rows=${found}
        idOf=${(/** @type {Problem} */ problem) => `${problem.root}\n${problem.path}`}
        columns=${[
          { id: "path", title: t("shares.file"), width: "minmax(12rem, 1.4fr)", cell: (/** @type {Problem} */ problem) => html`<span dir="auto" title=${problem.path}>${problem.path}</span>` },
          { id: "reason", title: t("shares.reason"), width: "minmax(8rem, 1fr)", cell: (/** @type {Problem} */ problem) => html`<span class="muted" title=${said(problem.reason)}>${said(problem.reason)}</span>` },
        ]}
        narrow=${(/** @type {Problem} */ problem) => html`
          <div class="two"><div class="clip" dir="auto">${problem.path}</div>
          <div class="muted small clip">${said(problem.reason)}</div></div>
        `}
      />
    </section>
  `;
}
