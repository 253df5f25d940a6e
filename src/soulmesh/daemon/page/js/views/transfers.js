/**
 * Transfers, both ways: what moves, how fast, how long still; where those that wait stand, and why.
 *
 * Files of one user and one folder stand together. What is over moves to the end, and older ones are in the history.
 */
import { html, Badge, Button, Empty, Icon, IconButton, Loading, Page, Progress, Tabs, Trouble, useMemo, useState } from "../lib/ui.js";
import { api, p, source } from "../lib/api.js";
import { Dialog, ask } from "../lib/dialog.js";
import { baseName, count, folderOf, moment, percent, seconds, size, speed } from "../lib/format.js";
import { useHistory } from "../lib/history.js";
import { useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person, PersonMenu } from "../lib/person.js";
import { go } from "../lib/route.js";
import { kept, store, useStore } from "../lib/store.js";
import { refused, report, toast } from "../lib/toast.js";
import * as told from "../lib/told.js";
import { follow, forget, loaded, OVER, transfers } from "../lib/transfers.js";
import { said, t } from "../lib/texts.js";

/** @typedef {import("../lib/transfers.js").Transfer} Transfer */
/**
 * A folder of one user, or a file in it.
 * @typedef {{ kind: "folder", key: string, username: string, folder: string, files: Transfer[], size: number, done: number,
 *   speed: number, over: number }} Folder
 * @typedef {{ kind: "file", key: string, row: Transfer }} File
 * @typedef {Folder | File} Line
 */

export const name = "transfers";
export const title = "nav.transfers";
export const short = "nav.transfers.short";
export const icon = "transfers";
export const place = "main";
export const badge = "transfers.badge";

/** Folders that are shut. */
const shut = store(/** @type {Set<string>} */ (new Set()));
const tab = kept("transfers.tab", "download");

/** How far a state is from moving: what moves stands first. @type {Record<string, number>} */
const RANK = { running: 0, saving: 0, draining: 0, starting: 1, linking: 1, offered: 1, calling: 1, failed: 7, finished: 8, cancelled: 9 };
/** @type {Record<string, "plain" | "good" | "warn" | "bad" | "accent">} */
const TONES = { running: "accent", saving: "accent", draining: "accent", finished: "good", failed: "bad", "no room": "bad", paused: "warn", offline: "warn", delayed: "warn" };

export function View() {
  follow();
  const shown = useStore(tab);
  const all = useStore(transfers);
  const ready = useStore(loaded);
  const [asked, setAsked] = useState(/** @type {Transfer | null} */ (null));
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const sums = useMemo(() => {
    const found = { download: 0, upload: 0, down: 0, up: 0, over: 0 };
    for (const row of all.values()) {
      if (OVER.has(row.state)) {
        if (row.direction === shown) found.over += 1;
        continue;
      }
      found[row.direction] += 1;
      found[row.direction === "download" ? "down" : "up"] += row.state === "running" ? row.speed : 0;
    }
    return found;
  }, [all, shown]);
  const clear = async () => {
    if (shown === "history" && !(await ask({ title: t("transfers.clear.title"), text: t("transfers.clear.text"), action: t("transfers.clear"), danger: true }))) return;
    try {
      await api.delete("history", shown === "history" ? {} : { direction: shown });
      forget([...all.values()].filter((row) => OVER.has(row.state) && (shown === "history" || row.direction === shown)).map((row) => row.id));
    } catch (error) {
      report(error);
    }
  };
  return html`<${Page} title=${t("nav.transfers")} fill
    note=${html`<span class="speeds num"><span title=${t("transfers.down")}><${Icon} name="down" />${speed(sums.down)}</span>
      <span title=${t("transfers.up")}><${Icon} name="up" />${speed(sums.up)}</span></span>`}
    actions=${html`<${Button} changes icon="trash" onClick=${clear} disabled=${shown !== "history" && !sums.over}>${t("transfers.clear")}<//>`}>
    <div class="tabs-bar"><${Tabs} label=${t("nav.transfers")} value=${shown} onChange=${(/** @type {string} */ next) => { setSelected(new Set()); tab.set(next); }}
      items=${[{ id: "download", title: t("transfers.downloads"), count: sums.download }, { id: "upload", title: t("transfers.uploads"), count: sums.upload },
        { id: "history", title: t("transfers.history") }]} /></div>
    ${shown === "history"
      ? html`<${History} onAsk=${setAsked} />`
      : ready ? html`<${Running} key=${shown} direction=${shown} all=${all} selected=${selected} onSelected=${setSelected} onAsk=${setAsked} />` : html`<${Loading} />`}
    ${asked && html`<${Story} row=${all.get(asked.id) ?? asked} onClose=${() => setAsked(null)} />`}<//>`;
}

/** @param {Map<string, Transfer>} all @param {string} direction @param {Set<string>} closed @returns {Line[]} */
function layOut(all, direction, closed) {
  /** @type {Map<string, Folder>} */
  const folders = new Map();
  for (const row of all.values()) {
    if (row.direction !== direction) continue;
    const folder = folderOf(row.path);
    const key = `${row.username}\0${folder}`;
    let found = folders.get(key);
    if (!found) folders.set(key, found = { kind: "folder", key, username: row.username, folder, files: [], size: 0, done: 0, speed: 0, over: 0 });
    found.files.push(row);
    found.size += row.size ?? 0;
    found.done += row.done;
    if (row.state === "running") found.speed += row.speed;
    if (OVER.has(row.state)) found.over += 1;
  }
  const ordered = [...folders.values()].sort((a, b) =>
    Number(a.over === a.files.length) - Number(b.over === b.files.length) || (a.files[0].added < b.files[0].added ? -1 : 1));
  /** @type {Line[]} */
  const lines = [];
  for (const folder of ordered) {
    lines.push(folder);
    if (closed.has(folder.key)) continue;
    folder.files.sort((a, b) => (RANK[a.state] ?? 4) - (RANK[b.state] ?? 4) || (a.place ?? 1e9) - (b.place ?? 1e9) || (a.path < b.path ? -1 : 1));
    for (const row of folder.files) lines.push({ kind: "file", key: row.id, row });
  }
  return lines;
}

/**
 * @param {{ direction: string, all: Map<string, Transfer>, selected: Set<string>, onSelected: (next: Set<string>) => void,
 *   onAsk: (row: Transfer) => void }} props
 */
function Running({ direction, all, selected, onSelected, onAsk }) {
  const closed = useStore(shut);
  const lines = useMemo(() => layOut(all, direction, closed), [all, direction, closed]);
  /** @param {Line} line @returns {Transfer[]} */
  const rowsOf = (line) => (line.kind === "file" ? [line.row] : line.files);
  const chosen = useMemo(() => {
    const found = new Map();
    for (const line of lines) if (selected.has(line.key)) for (const row of rowsOf(line)) found.set(row.id, row);
    return /** @type {Transfer[]} */ ([...found.values()]);
  }, [selected, lines]);
  const columns = useMemo(() => [
    { id: "name", title: t("transfers.column.name"), width: "minmax(0, 1fr)", cell: file((row) => html`<span class="clip" title=${row.path}>${baseName(row.path)}</span>`) },
    { id: "state", title: t("transfers.column.state"), width: "13rem", cell: file((row) => html`<${State} row=${row} onAsk=${onAsk} />`) },
    { id: "done", title: t("transfers.column.done"), width: "9rem", cell: file((row) => html`<${Done} row=${row} />`) },
    { id: "speed", title: t("transfers.column.speed"), width: "5.5rem", end: true, cell: file((row) => (row.state === "running" ? speed(row.speed) : "")) },
    { id: "left", title: t("transfers.column.left"), width: "6rem", end: true, cell: file((row) => (row.state === "running" ? seconds(row.seconds_left) : "")) },
    { id: "size", title: t("transfers.column.size"), width: "5rem", end: true, cell: file((row) => size(row.size)) },
  ], [onAsk]);
  const empty = direction === "download"
    ? html`<${Empty} icon="down" title=${t("transfers.empty.down.title")} text=${t("transfers.empty.down.text")}>
        <${Button} kind="primary" icon="search" onClick=${() => go("search")}>${t("nav.search")}<//><//>`
    : html`<${Empty} icon="up" title=${t("transfers.empty.up.title")} text=${t("transfers.empty.up.text")} />`;
  return html`<${List} label=${t(direction === "download" ? "transfers.downloads" : "transfers.uploads")} rows=${lines} columns=${columns} empty=${empty}
      idOf=${(/** @type {Line} */ line) => line.key} level=${(/** @type {Line} */ line) => (line.kind === "file" ? 2 : 1)}
      expanded=${(/** @type {Line} */ line) => (line.kind === "file" ? undefined : !closed.has(line.key))}
      onToggle=${(/** @type {Line} */ line, /** @type {boolean} */ open) => turn(line.key, open)}
      full=${(/** @type {Line} */ line) => (line.kind === "file" ? null : html`<${FolderLine} line=${line} />`)}
      narrow=${file((row) => html`<${NarrowFile} row=${row} />`)}
      rowClass=${(/** @type {Line} */ line) => (line.kind === "file" ? (OVER.has(line.row.state) ? "over" : "") : "user-line")}
      onOpen=${(/** @type {Line} */ line) => (line.kind === "file" ? onAsk(line.row) : turn(line.key, closed.has(line.key)))}
      onKey=${(/** @type {KeyboardEvent} */ event, /** @type {Line | undefined} */ line) => {
        if (event.key !== "Delete" || !line) return false;
        act("remove", chosen.length ? chosen : rowsOf(line)).then(() => onSelected(new Set()));
        return true;
      }}
      selected=${selected} onSelected=${onSelected}
      actions=${(/** @type {Line} */ line) => html`<${Actions} rows=${rowsOf(line)} line=${line} onAsk=${onAsk} />`} />
    ${chosen.length > 1 && html`<div class="selection" role="status"><span class="grow">${t("transfers.selected", { count: chosen.length })}</span>
      ${direction === "download" && html`<${Button} changes icon="pause" onClick=${() => act("pause", chosen.filter(can.pause))}>${t("transfers.pause")}<//>
        <${Button} changes icon="resume" onClick=${() => act("resume", chosen.filter(can.resume))}>${t("transfers.resume")}<//>`}
      <${Button} changes icon="trash" kind="danger" onClick=${() => act("remove", chosen).then(() => onSelected(new Set()))}>${t("transfers.remove")}<//></div>`}`;
}

/** @param {(row: Transfer) => any} show @returns {(line: Line) => any} */
function file(show) {
  return (line) => (line.kind === "file" ? show(line.row) : "");
}

/** @param {string} key @param {boolean} open */
function turn(key, open) {
  shut.set((old) => {
    const next = new Set(old);
    if (open) next.delete(key);
    else next.add(key);
    return next;
  });
}

/** What can be done with a transfer as it is. @type {Record<string, (row: Transfer) => boolean>} */
const can = {
  pause: (row) => row.direction === "download" && !OVER.has(row.state) && row.state !== "paused",
  resume: (row) => row.state === "paused",
  retry: (row) => row.direction === "download" && ["failed", "delayed", "offline", "no room", "cancelled"].includes(row.state),
  cancel: (row) => !OVER.has(row.state),
  remove: () => true,
};

/** @param {string} action @param {Transfer[]} rows */
async function act(action, rows) {
  if (!rows.length || refused()) return;
  try {
    const answer = await api.post("transfers/actions", { action, ids: rows.map((row) => row.id) });
    if (action === "remove") forget(answer.done);
    if (answer.refused.length) toast(said(answer.refused[0].reason), { tone: "bad" });
  } catch (error) {
    report(error);
  }
}

/** @param {{ rows: Transfer[], line?: Line, onAsk: (row: Transfer) => void }} props */
function Actions({ rows, line, onAsk }) {
  const [first] = rows;
  const first_ = rows.find(can.pause) ? "pause" : rows.find(can.resume) ? "resume" : rows.find(can.retry) ? "retry" : null;
  const items = [
    line?.kind !== "folder" && { title: t("transfers.why"), icon: "info", run: () => onAsk(first) },
    ...["pause", "resume", "retry", "cancel"].filter((action) => rows.some(can[action])).map((action) => ({
      title: t(`transfers.${action}`), icon: { pause: "pause", resume: "resume", retry: "again", cancel: "stop" }[action],
      changes: true, run: () => act(action, rows.filter(can[action])),
    })),
    { title: t("transfers.remove"), icon: "trash", danger: true, changes: true, run: () => act("remove", rows) },
  ];
  return html`${first_ && html`<${IconButton} changes icon=${{ pause: "pause", resume: "resume", retry: "again" }[first_]} tabindex="-1"
      label=${t(`transfers.${first_}.one`, { name: line?.kind === "folder" ? baseName(line.folder) : baseName(first.path) })}
      onClick=${() => act(first_, rows.filter(can[first_]))} />`}<${PersonMenu} name=${first.username} more=${items} />`;
}

/** @param {{ line: Folder }} props */
function FolderLine({ line }) {
  return html`<div class="line-head"><${Icon} name="folder" /><span class="clip" title=${line.folder}>${baseName(line.folder) || line.folder}</span>
    <span class="muted line-from"><${Person} name=${line.username} /></span><span class="grow"></span>
    ${line.speed > 0 && html`<span class="num muted small">${speed(line.speed)}</span>`}
    <span class="num muted small folder-count">${line.over}/${line.files.length}</span>
    <span class="folder-bar"><${Progress} value=${line.size ? line.done / line.size : 0} tone=${line.over === line.files.length ? "good" : "accent"}
      label=${t("transfers.progress", { name: baseName(line.folder) })} /></span>
    <span class="num muted small folder-size">${size(line.size)}</span></div>`;
}

/** @param {{ row: Transfer, onAsk: (row: Transfer) => void }} props */
function State({ row, onAsk }) {
  return html`<button type="button" class="state-button" tabindex="-1" onClick=${() => onAsk(row)} title=${why(row) || t("transfers.why")}>
    <${Badge} tone=${TONES[row.state] ?? "plain"}>${t(`transfers.state.${row.state}`)}<//>
    ${row.place !== null && !OVER.has(row.state) && row.state !== "running" ? html`<span class="num muted small">${t("transfers.place", { place: row.place })}</span>` : null}
    ${row.reason && row.state !== "finished" ? html`<span class="muted small clip">${why(row)}</span>` : null}</button>`;
}

/** Why it waits or failed, in the words of the page. @param {Transfer} row */
const why = (row) => told.reason(row.reason_code, row.reason);

/** @param {Transfer} row */
const part = (row) => (row.state === "finished" ? 1 : row.size ? row.done / row.size : 0);

/** @param {Transfer} row */
const tone = (row) => (row.state === "finished" ? "good" : row.state === "failed" ? "bad" : row.state === "running" ? "accent" : "plain");

/** @param {{ row: Transfer }} props */
function Done({ row }) {
  return html`<div class="done"><${Progress} value=${part(row)} tone=${tone(row)} label=${t("transfers.progress", { name: baseName(row.path) })} />
    <span class="num small">${percent(part(row))}</span></div>`;
}

/** @param {{ row: Transfer }} props */
function NarrowFile({ row }) {
  const moving = row.state === "running";
  return html`<div class="two"><div><span class="clip grow">${baseName(row.path)}</span><span class="num small">${percent(part(row))}</span></div>
    <div class="num"><${Badge} tone=${TONES[row.state] ?? "plain"}>${t(`transfers.state.${row.state}`)}<//>${moving
      ? html`<span>${speed(row.speed)}</span><span>${seconds(row.seconds_left)}</span>`
      : html`<span class="clip">${row.place !== null && !OVER.has(row.state) ? t("transfers.place", { place: row.place }) : why(row)}</span>`}
      <span class="grow"></span><span>${size(row.size)}</span></div>
    <${Progress} value=${part(row)} tone=${tone(row)} label=${t("transfers.progress", { name: baseName(row.path) })} /></div>`;
}

/** Why a transfer is where it is, and what it went through. @param {{ row: Transfer, onClose: () => void }} props */
function Story({ row, onClose }) {
  const { data, error, reload } = useLoad((signal) => (OVER.has(row.state) ? Promise.resolve(null) : api.get(p`transfers/${row.id}/why`, {}, { signal })), [row.id, row.state, row.place]);
  const facts = [
    [t("transfers.column.user"), html`<${Person} name=${row.username} />`], [t("transfers.fact.path"), row.path], [t("transfers.column.size"), size(row.size)],
    [t("transfers.fact.done"), `${size(row.state === "finished" ? row.size : row.done)} (${percent(part(row))})`],
    row.speed > 0 && [t("transfers.column.speed"), speed(row.speed)], [t("transfers.fact.added"), moment(row.added)],
    row.ended && [t("transfers.fact.ended"), moment(row.ended)], row.attempts > 1 && [t("transfers.fact.attempts"), count(row.attempts)],
    row.local_path && [t("transfers.fact.local"), row.local_path],
    row.state !== "finished" && told.shortened(row.reason_code, row.reason) && [t("transfers.fact.said"), html`<q lang="en">${row.reason}</q>`],
  ];
  const open = row.direction === "download" && (row.state === "finished" || row.done > 0);
  return html`<${Dialog} title=${baseName(row.path)} onClose=${onClose} wide actions=${html`
      ${open && html`<a class="button" href=${source(p`transfers/${row.id}/content`)} target="_blank" rel="noopener"><${Icon} name="file" /><span>${t("transfers.open")}</span></a>`}
      ${["pause", "resume", "retry", "cancel"].filter((action) => can[action](row)).map((action) => html`
        <${Button} changes key=${action} onClick=${() => act(action, [row])}>${t(`transfers.${action}`)}<//>`)}`}>
    <div class="row wrap"><${Badge} tone=${TONES[row.state] ?? "plain"}>${t(`transfers.state.${row.state}`)}<//>
      ${row.place !== null && !OVER.has(row.state) && html`<span>${t("transfers.place.long", { place: row.place })}</span>`}</div>
    ${row.state === "running" && html`<${Progress} value=${part(row)} label=${t("transfers.progress", { name: baseName(row.path) })} />`}
    ${error ? html`<${Trouble} error=${error} retry=${reload} />` : data ? html`<p class="now">${told.standing(data)}</p>${data.past.length > 0
      && html`<ol class="past small">${data.steps.map((/** @type {any} */ step, /** @type {number} */ at) => html`<li key=${at}>${told.happened(step, data.past[at])}</li>`)}</ol>`}`
      : row.reason ? html`<p>${why(row)}</p>` : null}
    <dl class="facts">${facts.map((fact) => fact && html`<div key=${fact[0]}><dt>${fact[0]}</dt><dd>${fact[1]}</dd></div>`)}</dl><//>`;
}

/** What is over. @param {{ onAsk: (row: Transfer) => void }} props */
function History({ onAsk }) {
  const { rows, busy, error, reload, more } = useHistory();
  const columns = useMemo(() => [
    { id: "way", title: "", width: "1.4rem", cell: (/** @type {Transfer} */ row) => html`<${Icon} name=${row.direction === "download" ? "down" : "up"} label=${t(`transfers.way.${row.direction}`)} />` },
    { id: "name", title: t("transfers.column.name"), width: "minmax(0, 2fr)", cell: (/** @type {Transfer} */ row) => html`<span class="clip" title=${row.path}>${baseName(row.path)}</span>` },
    { id: "user", title: t("transfers.column.user"), width: "minmax(0, 1fr)", cell: (/** @type {Transfer} */ row) => html`<${Person} name=${row.username} />` },
    { id: "state", title: t("transfers.column.state"), width: "10rem", cell: (/** @type {Transfer} */ row) => html`<${State} row=${row} onAsk=${onAsk} />` },
    { id: "speed", title: t("transfers.column.speed"), width: "6rem", end: true, cell: (/** @type {Transfer} */ row) => speed(row.speed) },
    { id: "size", title: t("transfers.column.size"), width: "5.5rem", end: true, cell: (/** @type {Transfer} */ row) => size(row.size) },
    { id: "ended", title: t("transfers.fact.ended"), width: "8.5rem", end: true, cell: (/** @type {Transfer} */ row) => moment(row.ended) },
  ], [onAsk]);
  if (error && !rows.length) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (!rows.length && busy) return html`<${Loading} />`;
  return html`<${List} label=${t("transfers.history")} rows=${rows} columns=${columns} idOf=${(/** @type {Transfer} */ row) => row.id} onOpen=${onAsk}
    narrow=${(/** @type {Transfer} */ row) => html`<div class="two"><div><${Icon} name=${row.direction === "download" ? "down" : "up"} /><span class="clip">${baseName(row.path)}</span></div>
      <div class="num"><${Badge} tone=${TONES[row.state] ?? "plain"}>${t(`transfers.state.${row.state}`)}<//><span class="clip grow">${row.username}</span><span>${size(row.size)}</span></div></div>`}
    onRange=${(/** @type {number} */ first, /** @type {number} */ last) => { if (last > rows.length - 60) more(); }}
    actions=${(/** @type {Transfer} */ row) => html`<${Actions} rows=${[row]} onAsk=${onAsk} />`}
    empty=${html`<${Empty} icon="transfers" title=${t("transfers.empty.history.title")} text=${t("transfers.empty.history.text")} />`} />`;
}

/** How many run: the mark in the navigation counts what still has to come. */
export function useBadge() {
  return useStore(transfers, (all) => {
    let running = 0;
    for (const row of all.values()) if (row.direction === "download" && !OVER.has(row.state)) running += 1;
    return running;
  });
}
