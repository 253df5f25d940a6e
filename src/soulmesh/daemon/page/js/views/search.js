/**
 * Search: words in, results as they come, by user and folder; one click takes a file or a folder.
 */
import {
  html, Badge, Button, Changing, Empty, Field, Icon, IconButton, Loading, Menu, Page, Trouble, useEffect, useMemo, useRef, useState,
} from "../lib/ui.js";
import { api, p } from "../lib/api.js";
import { Dialog, askText } from "../lib/dialog.js";
import { download, downloadFolder } from "../lib/downloads.js";
import { listen } from "../lib/events.js";
import { baseName, count, moment, playing, size, speed } from "../lib/format.js";
import { useLoad, useNarrow, useRested } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { keptUp } from "../lib/pushed.js";
import { Person, PersonMenu } from "../lib/person.js";
import { dropResults, resultsOf } from "../lib/results.js";
import { go, href } from "../lib/route.js";
import { useStatus } from "../lib/status.js";
import { store, useStore } from "../lib/store.js";
import { refused, report, toast } from "../lib/toast.js";
import { follow, wanted } from "../lib/transfers.js";
import { t } from "../lib/texts.js";

/** @typedef {import("../lib/results.js").Line} Line */
/** @typedef {import("../lib/results.js").Hit} Hit */
/** @typedef {import("../lib/results.js").Results} Results */

export const name = "search";
export const title = "nav.search";
export const icon = "search";
export const place = "main";

/** All searches that the daemon keeps, newest first. */
const searches = store(/** @type {any[] | null} */ (null));

const list = keptUp(/** @param {(all: any[]) => any[]} change */ (change) => searches.set((all) => all && change(all)));

async function loadSearches() {
  const found = await list.ask(async () => (await api.all("searches", {}, { most: 1000 })).reverse());
  if (found) searches.set(found);
}

listen(["search"], ({ kind, data }) => {
  if (kind === "search.deleted") {
    dropResults(data.id);
    list.tell((all) => all.filter((one) => one.id !== data.id));
    return;
  }
  if (kind === "search.changed") list.tell((all) => all.map((one) => (one.id === data.id ? { ...one, ...data } : one)));
  if (kind === "missed" || !searches.get()?.some((one) => one.id === data.id)) {
    if (searches.get()) loadSearches().catch(report);
  }
});

/** @param {{ rest: string[], query: URLSearchParams }} props */
export function View({ rest, query }) {
  const [id] = rest;
  follow();
  useEffect(() => {
    if (!searches.get()) loadSearches().catch(report);
  }, []);
  return html`<${Page} title=${t("nav.search")} fill actions=${html`<${SearchForm} key=${id} id=${id} words=${query.get("for") ?? ""} />`}>
    ${id ? html`<${Found} key=${id} id=${id} />` : html`<${Past} />`}<//>`;
}

/** @param {{ id: string | undefined, words: string }} props */
function SearchForm({ id, words }) {
  const all = useStore(searches);
  const known = id ? all?.find((one) => one.id === id) : undefined;
  const [text, setText] = useState(/** @type {string | null} */ (words || null));
  const [busy, setBusy] = useState(false);
  const [wait, setWait] = useState(0);
  const field = useRef(/** @type {any} */ (null));
  const narrow = useNarrow();
  useEffect(() => {
    if (!id && !narrow) field.current?.querySelector("input")?.focus();
  }, [id]);
  useEffect(() => {
    if (wait <= 0) return undefined;
    const timer = setTimeout(() => setWait(wait - 1), 1000);
    return () => clearTimeout(timer);
  }, [wait]);
  const value = text ?? known?.text ?? "";
  /** @param {Event} event */
  const begin = async (event) => {
    event.preventDefault();
    if (value.trim().length < 3) return;
    setBusy(true);
    try {
      const found = await api.post("searches", { text: value.trim(), file_limit: 25_000, response_limit: 5000 });
      list.tell((all) => (all.some((one) => one.id === found.id) ? all : [found, ...all]));
      go("search", found.id);
    } catch (error) {
      report(error);
      // The public server bans whoever asks too often: the button waits as long as the daemon says.
      if (/** @type {any} */ (error).busy) setWait(Math.ceil(/** @type {any} */ (error).retryAfter ?? 5));
    } finally {
      setBusy(false);
    }
  };
  return html`<form class="search-form" role="search" onSubmit=${begin} ref=${field}>
    <${Changing}><input type="search" aria-label=${t("search.words")} placeholder=${t("search.placeholder")} value=${value} minlength="3" maxlength="1000"
      autocomplete="off" spellcheck=${false} enterkeyhint="search" onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} />
    <${Button} type="submit" kind="primary" icon="search" busy=${busy} disabled=${wait > 0}>${wait > 0 ? t("search.wait", { seconds: wait }) : t("search.go")}<//><//></form>`;
}

/** Earlier searches. */
function Past() {
  const all = useStore(searches);
  const status = useStatus();
  if (!all) return html`<${Loading} />`;
  /** @param {any} one */
  const remove = (one) => refused() || api.delete(p`searches/${one.id}`).catch(report);
  const columns = useMemo(() => [
    { id: "text", title: t("search.column.text"), width: "minmax(0, 1fr)", cell: (/** @type {any} */ one) => html`<a href=${href("search", one.id)} class="clip">${one.text}</a>` },
    { id: "files", title: t("search.column.files"), width: "6rem", end: true, cell: (/** @type {any} */ one) => count(one.files) },
    { id: "users", title: t("search.column.users"), width: "6rem", end: true, cell: (/** @type {any} */ one) => count(one.responses) },
    { id: "at", title: t("search.column.at"), width: "9rem", end: true, cell: (/** @type {any} */ one) => (one.complete ? moment(one.started) : html`<${Badge} tone="accent">${t("search.running")}<//>`) },
  ], []);
  const empty = html`<${Empty} icon="search" title=${t("search.empty.title")}
    text=${status && !status.logged_in ? t("search.empty.offline") : t("search.empty.text")} />`;
  return html`<${List} label=${t("search.past")} rows=${all} idOf=${(/** @type {any} */ one) => one.id} columns=${columns} empty=${empty}
    narrow=${(/** @type {any} */ one) => html`<div class="two"><div><a href=${href("search", one.id)} class="clip">${one.text}</a></div>
      <div><span>${t("search.files", { count: one.files })} · ${t("search.users", { count: one.responses })}</span><span>${moment(one.started)}</span></div></div>`}
    onOpen=${(/** @type {any} */ one) => go("search", one.id)}
    onKey=${(/** @type {KeyboardEvent} */ event, /** @type {any} */ one) => event.key === "Delete" && one && (remove(one), true)}
    actions=${(/** @type {any} */ one) => html`<${IconButton} changes icon="trash" label=${t("search.forget", { text: one.text })} tabindex="-1" onClick=${() => remove(one)} />`} />`;
}

/** @param {Hit} hit */
export function quality(hit) {
  if (hit.bit_depth && hit.sample_rate) return `${hit.bit_depth}/${+(hit.sample_rate / 1000).toFixed(1)}`;
  if (hit.bitrate) return `${hit.bitrate}${hit.vbr ? " VBR" : ""}`;
  return "";
}

/** How soon an upload would begin. @param {{ hit: Hit }} props */
function Slot({ hit }) {
  if (hit.free_slot) return html`<${Badge} tone="good">${t("search.free")}<//>`;
  return html`<${Badge} tone=${hit.queue > 50 ? "bad" : "warn"}>${t("search.queue", { count: hit.queue })}<//>`;
}

const ORDERS = ["arrival", "queue", "speed", "size", "quality", "name", "length"];

/** One search. @param {{ id: string }} props */
function Found({ id }) {
  const results = useMemo(() => resultsOf(id), [id]);
  const search = useStore(results.search);
  const lines = useStore(results.lines);
  const error = useStore(results.error);
  const marks = useStore(wanted);
  const narrow = useNarrow();
  const [order, setOrder] = useState(results.order);
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));

  const some = lines.length > 0;
  useEffect(() => {
    // What was pressed to get here is gone: the arrow keys shall move through what was found.
    if (some && document.activeElement?.matches("body, h1")) {
      /** @type {HTMLElement | null} */ (document.querySelector("main [role=treegrid], main [role=grid]"))?.focus({ preventScroll: true });
    }
  }, [some]);

  /** @param {Partial<import("../lib/results.js").Order>} change */
  const arrange = (change) => {
    results.arrange(change);
    setOrder(results.order);
  };
  /** @param {Line} line @returns {Hit[]} */
  const filesOf = (line) => {
    if (line.kind === "file") return [line.hit];
    if (line.kind === "folder") return line.files;
    return [...line.user.folders.values()].flat().filter((hit) => !results.passing || results.passing[hit.at]);
  };
  const take = (/** @type {Line} */ line) => {
    if (line.kind === "folder") downloadFolder(line.user.name, line.folder);
    else download(filesOf(line).filter((hit) => !hit.locked));
  };
  const chosen = useMemo(() => {
    if (!selected.size) return [];
    /** @type {Map<number, Hit>} */
    const found = new Map();
    for (const line of lines) if (selected.has(line.key)) for (const hit of filesOf(line)) if (!hit.locked) found.set(hit.at, hit);
    return [...found.values()];
  }, [selected, lines]);
  const chosenSize = useMemo(() => chosen.reduce((/** @type {number} */ sum, /** @type {Hit} */ hit) => sum + hit.size, 0), [chosen]);

  const columns = useMemo(() => {
    const cell = (/** @type {(hit: Hit) => any} */ show) => (/** @type {Line} */ line) => (line.kind === "file" ? show(line.hit) : "");
    /** @type {import("../lib/list.js").Column<Line>[]} */
    const found = [
      { id: "name", title: t("search.column.name"), width: "minmax(0, 3fr)", sort: true, cell: cell((hit) => html`<${FileName} hit=${hit} />`) },
      { id: "quality", title: t("search.column.quality"), width: "5.5rem", end: true, sort: true, cell: cell(quality) },
      { id: "length", title: t("search.column.length"), width: "4.5rem", end: true, sort: true, cell: cell((hit) => playing(hit.length)) },
      { id: "size", title: t("search.column.size"), width: "5.5rem", end: true, sort: true, cell: cell((hit) => size(hit.size)) },
    ];
    if (order.flat) {
      found.splice(1, 0,
        { id: "folder", title: t("search.column.folder"), width: "minmax(0, 2fr)", cell: cell((hit) => html`<span class="clip muted" title=${hit.folder}>${baseName(hit.folder)}</span>`) },
        { id: "user", title: t("search.column.user"), width: "minmax(0, 1fr)", sort: true, cell: cell((hit) => html`<${Person} name=${hit.username} />`) },
        { id: "queue", title: t("search.column.queue"), width: "5.5rem", sort: true, cell: cell((hit) => html`<${Slot} hit=${hit} />`) },
        { id: "speed", title: t("search.column.speed"), width: "6rem", end: true, sort: true, cell: cell((hit) => speed(hit.speed)) });
    }
    return found;
  }, [order.flat, marks]);

  if (error && !search) {
    return /** @type {any} */ (error).status === 404
      ? html`<${Empty} icon="search" title=${t("search.gone.title")} text=${t("search.gone.text")} />`
      : html`<${Trouble} error=${error} retry=${() => results.load()} />`;
  }
  if (!search) return html`<${Loading} />`;

  const empty = results.hits.length
    ? html`<${Empty} icon="filter" title=${t("search.filtered.title")} text=${t("search.filtered.text", { count: results.hits.length })} />`
    : search.complete
      ? html`<${Empty} icon="search" title=${t("search.nothing.title")} text=${t(withheld(search).length ? "search.nothing.held" : "search.nothing.text")} />`
      : html`<${Loading} label=${t("search.waiting")} />`;
  return html`<div class="search-bar">
      <${FilterField} results=${results} />
      <div class="row search-tools">
        <label class="row"><span class="visually-hidden">${t("search.order")}</span><select value=${order.by}
          onChange=${(/** @type {any} */ event) => arrange({ by: event.currentTarget.value, down: ["speed", "size", "quality"].includes(event.currentTarget.value) })}>
          ${ORDERS.concat(order.flat ? ["user"] : []).map((one) => html`<option value=${one} key=${one}>${t(`search.order.${one}`)}</option>`)}</select></label>
        <${IconButton} icon=${order.down ? "bottom" : "top"} label=${order.down ? t("search.down") : t("search.up")} onClick=${() => arrange({ down: !order.down })} />
        <${IconButton} icon="folder" label=${t("search.grouped")} pressed=${!order.flat} onClick=${() => arrange({ flat: !order.flat })} />
        ${!order.flat && html`<${IconButton} icon=${results.folded ? "plus" : "minus"} label=${t(results.folded ? "search.unfold" : "search.fold")}
          onClick=${() => results.fold(!results.folded)} />`}
        ${search.complete ? null : html`<${Button} changes icon="stop" onClick=${() => api.post(p`searches/${id}/stop`).catch(report)}>${t("search.stop")}<//>`}
      </div>
      <p class="search-count muted small" role="status">${search.complete ? null : html`<span class="spinner" aria-hidden="true"></span>`}
        ${t("search.files", { count: results.hits.length })} · ${t("search.users", { count: results.users.size })}${results.passing
        ? ` · ${t("search.passing", { count: results.shown })}` : ""}</p></div>
    <${List} label=${t("search.results", { text: search.text })} rows=${lines} idOf=${(/** @type {Line} */ line) => line.key}
      columns=${columns} sort=${order} onSort=${(/** @type {string} */ by, /** @type {boolean} */ down) => arrange({ by, down })}
      level=${order.flat ? undefined : (/** @type {Line} */ line) => (line.kind === "user" ? 1 : line.kind === "folder" ? 2 : 3)}
      expanded=${(/** @type {Line} */ line) => (line.kind === "file" ? undefined : results.open(line.key))}
      onToggle=${(/** @type {Line} */ line, /** @type {boolean} */ on) => results.turn(line.key, on)}
      full=${(/** @type {Line} */ line) => (line.kind === "user" ? html`<${UserLine} line=${line} />` : line.kind === "folder" ? html`<${FolderLine} line=${line} />` : null)}
      narrow=${(/** @type {Line} */ line) => line.kind === "file" && html`<${NarrowFile} hit=${line.hit} flat=${order.flat} />`}
      rowClass=${(/** @type {Line} */ line) => `${line.kind}-line ${line.kind === "file" && line.hit.locked ? "locked" : ""}`}
      onOpen=${(/** @type {Line} */ line) => (line.kind === "file" ? take(line) : results.turn(line.key, !results.open(line.key)))}
      onKey=${(/** @type {KeyboardEvent} */ event, /** @type {Line | undefined} */ line) => event.key === "d" && !event.ctrlKey && !event.metaKey && line && (take(line), true)}
      selected=${selected} onSelected=${setSelected} empty=${empty}
      actions=${(/** @type {Line} */ line) => html`${line.kind === "file" && line.hit.locked ? null : html`<${IconButton} changes icon="down" tabindex="-1" onClick=${() => take(line)}
        label=${line.kind === "file" ? t("search.download.file", { name: line.hit.name }) : line.kind === "folder"
          ? t("search.download.folder", { name: baseName(line.folder) }) : t("search.download.user", { name: line.user.name })} />`}
        ${line.kind === "file" && narrow ? null : html`<${LineMenu} line=${line} filesOf=${filesOf} />`}`} />
    <${Withheld} search=${search} />
    ${chosen.length > 0 && html`<div class="selection" role="status"><span class="grow">${t("search.selected", { count: chosen.length, size: size(chosenSize) })}</span>
      <${Button} kind="ghost" onClick=${() => setSelected(new Set())}>${t("search.unselect")}<//>
      <${Button} changes kind="primary" icon="down" onClick=${() => { download(chosen); setSelected(new Set()); }}>${t("search.download")}<//></div>`}`;
}

const HELD = ["filtered", "blocked", "turned_away", "cut", "unreadable", "unreached"];

/** What answered and is not among the results, in words. @param {any} search @returns {string[]} */
function withheld({ withheld: held }) {
  if (!held) return [];
  const rules = Object.entries(held.rules).map(([rule, count]) => t(rule === "echo" ? "search.held.echo" : "search.held.size", { count }));
  return rules.concat(HELD.filter((kind) => held[kind]).map((kind) => t(`search.held.${kind}`, { count: held[kind] })));
}

/** @param {{ search: any }} props */
function Withheld({ search }) {
  const held = withheld(search);
  return held.length ? html`<p class="search-held muted small" role="status">${t("search.held", { what: held.join(", ") })}</p>` : null;
}

/** @param {{ line: Line, filesOf: (line: Line) => Hit[] }} props */
function LineMenu({ line, filesOf }) {
  const user = line.kind === "file" ? line.hit.username : line.user.name;
  const folder = line.kind === "file" ? line.hit.folder : line.kind === "folder" ? line.folder : null;
  return html`<${PersonMenu} name=${user} more=${[
    folder !== null && { title: t("search.menu.folder"), icon: "folder", changes: true, run: () => downloadFolder(user, folder) },
    line.kind !== "file" && { title: t("search.menu.found"), icon: "down", changes: true, run: () => download(filesOf(line).filter((hit) => !hit.locked)) },
    folder !== null && { title: t("search.menu.show"), icon: "browse", changes: true, run: () => { location.hash = `${href("browse", user)}?folder=${encodeURIComponent(folder)}`; } },
  ]} />`;
}

/** @param {{ line: import("../lib/results.js").UserLine }} props */
function UserLine({ line }) {
  const { first } = line.user;
  return html`<div class="line-head"><strong class="line-name"><${Person} name=${line.user.name} /></strong><${Slot} hit=${first} />
    <span class="num muted small">${speed(first.speed)}</span><span class="grow"></span>
    <span class="num muted small line-sum">${t("search.files", { count: line.count })} · ${size(line.size)}</span></div>`;
}

/** @param {{ line: import("../lib/results.js").FolderLine }} props */
function FolderLine({ line }) {
  return html`<div class="line-head"><${Icon} name="folder" /><span class="clip" title=${line.folder}><span class="muted path-start">${
    line.folder.slice(0, line.folder.length - baseName(line.folder).length)}</span>${baseName(line.folder)}</span><span class="grow"></span>
    <span class="num muted small line-sum">${t("search.files", { count: line.count })} · ${size(line.size)}</span></div>`;
}

/** @param {{ hit: Hit }} props */
function Mark({ hit }) {
  const state = useStore(wanted, (all) => all.get(`${hit.username}\0${hit.path}`));
  if (hit.locked) return html`<${Icon} name="lock" label=${t("search.locked")} />`;
  if (!state) return null;
  return html`<span class=${state === "finished" ? "good" : "accent-ink"}><${Icon} name=${state === "finished" ? "check" : "transfers"} label=${t(`transfers.state.${state}`)} /></span>`;
}

/** @param {{ hit: Hit }} props */
function FileName({ hit }) {
  return html`<span class="clip" title=${hit.path}>${hit.name}</span><${Mark} hit=${hit} />`;
}

/** @param {{ hit: Hit, flat: boolean }} props */
function NarrowFile({ hit, flat }) {
  return html`<div class="two"><div><span class="clip">${hit.name}</span><${Mark} hit=${hit} /></div>
    <div class="num">${flat && html`<span class="clip">${hit.username}</span>`}<span>${size(hit.size)}</span><span>${quality(hit)}</span><span>${playing(hit.length)}</span></div></div>`;
}

const HELP = [
  ["flac", "word"], ["-live", "not"], ["\"final mix\"", "words"], ["size>10mb", "size"], ["bitrate>=320", "bitrate"],
  ["length>=3:00", "length"], ["type:flac|wav", "type"], ["free", "free"], ["queue<20", "queue"], ["speed>500k", "speed"],
  ["user:name", "user"], ["a | b", "or"], ["path~/19[78]\\d/", "expression"],
];

/** @param {{ results: Results }} props */
function FilterField({ results }) {
  const [text, setText] = useState(results.filter);
  const [help, setHelp] = useState(false);
  const saved = useLoad(() => api.get("filters"), []);
  const error = useStore(results.filterError);
  const rested = useRested(text, 120);
  useEffect(() => {
    results.keep(rested);
  }, [rested, results]);
  const keep = async () => {
    const known = await askText({ title: t("filter.save"), label: t("filter.name"), action: t("filter.save") });
    if (!known) return;
    try {
      await api.put(p`filters/${known}`, { text });
      toast(t("filter.saved", { name: known }), { tone: "good" });
      saved.reload();
    } catch (problem) {
      report(problem);
    }
  };
  const items = [
    ...(saved.data?.items ?? []).map((/** @type {any} */ one) => ({ title: `${one.name}: ${one.text}`, icon: "filter", run: () => setText(one.text) })),
    { title: t("filter.save"), icon: "plus", changes: true, disabled: !text.trim() || Boolean(error), run: keep },
    ...(saved.data?.items ?? []).filter((/** @type {any} */ one) => one.text === text).map((/** @type {any} */ one) => ({
      title: t("filter.forget", { name: one.name }), icon: "trash", danger: true, changes: true,
      run: () => api.delete(p`filters/${one.name}`).then(saved.reload, report),
    })),
    { title: t("filter.help"), icon: "info", run: () => setHelp(true) },
  ];
  return html`<div class="filter-field"><${Field} label=${t("filter.label")} hidden error=${error}>
      <input type="search" value=${text} placeholder=${t("filter.placeholder")} spellcheck=${false} autocomplete="off"
        onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} /><//>
    <${Menu} label=${t("filter.menu")} icon="filter" items=${items} />
    ${help && html`<${Dialog} title=${t("filter.help")} onClose=${() => setHelp(false)}><p class="muted">${t("filter.help.text")}</p>
      <table><tbody>${HELP.map(([example, key]) => html`<tr key=${key}><td><code>${example}</code></td><td>${t(`filter.help.${key}`)}</td></tr>`)}</tbody></table><//>`}</div>`;
}
