/**
 * Somebody's files: a tree that is loaded as it is opened, the files of one folder beside it, and a search inside.
 *
 * A million files are never here at once: folders come when they are opened, files page by page. While the list is
 * still on its way from its owner, what came of it is shown, and grows.
 */
import { html, Badge, Button, Changing, Empty, Icon, IconButton, Loading, Page, Progress, Trouble, useEffect, useMemo, useState } from "../lib/ui.js";
import { api, p } from "../lib/api.js";
import { download, downloadFolder } from "../lib/downloads.js";
import { useEvents } from "../lib/events.js";
import { baseName, count, folderOf, playing, size } from "../lib/format.js";
import { useNarrow, useRested } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person, PersonMenu } from "../lib/person.js";
import { go, href, setQuery } from "../lib/route.js";
import { kept, store, useStore } from "../lib/store.js";
import { reason } from "../lib/told.js";
import { barred } from "../lib/rights.js";
import { report } from "../lib/toast.js";
import { follow, wanted } from "../lib/transfers.js";
import { t } from "../lib/texts.js";
import { quality } from "./search.js";

/**
 * @typedef {{ name: string, path: string, folders: number, files: number, size: number, all_files: number,
 *   all_size: number, locked: boolean }} Folder
 * @typedef {{ folder: Folder, depth: number }} Node
 * @typedef {{ path: string, size: number, bitrate: number | null, length: number | null, sample_rate: number | null,
 *   bit_depth: number | null, vbr?: boolean }} File
 */

export const name = "browse";
export const title = "nav.browse";
export const icon = "browse";
export const place = "main";

const PAGE = 1000;
/** Milliseconds between two looks at what has come, while a list is on its way. */
const LOOK_EVERY = 1000;
const recent = kept("browsed", /** @type {string[]} */ ([]));

/** @param {{ rest: string[], query: URLSearchParams }} props */
export function View({ rest, query }) {
  const [username] = rest;
  follow();
  const [text, setText] = useState("");
  /** @param {Event} event */
  const begin = (event) => {
    event.preventDefault();
    if (text.trim()) go("browse", text.trim());
    setText("");
  };
  const form = html`<form class="row browse-form" role="search" onSubmit=${begin}><${Changing}><input type="search" aria-label=${t("browse.user")} placeholder=${t("browse.user")}
    value=${text} maxlength="256" autocomplete="off" spellcheck=${false} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} />
    <${Button} type="submit" icon="browse" kind=${username ? "plain" : "primary"}>${t("browse.go")}<//><//></form>`;
  return html`<${Page} fill title=${username ? html`${t("browse.of")} <${Person} name=${username} />` : t("nav.browse")} actions=${form}>
    ${username ? html`<${Files} key=${username} username=${username} folder=${query.get("folder")} words=${query.get("find") ?? ""} />` : html`<${Recent} />`}<//>`;
}

function Recent() {
  const names = useStore(recent);
  if (!names.length) return html`<${Empty} icon="browse" title=${t("browse.empty.title")} text=${t("browse.empty.text")} />`;
  return html`<div class="page-body"><h2>${t("browse.recent")}</h2><ul class="plain-list">${names.map((one) => html`
    <li key=${one} class="row"><a class="grow" href=${href("browse", one)}>${one}</a>
      <${IconButton} icon="close" label=${t("browse.forget", { name: one })} onClick=${() => recent.set(names.filter((other) => other !== one))} /></li>`)}</ul></div>`;
}

/** Nobody who may had the daemon ask for these files. */
class Unasked extends Error {}

/** What was opened of one user; it outlives the view. */
class Tree {
  /** @param {string} username */
  constructor(username) {
    this.username = username;
    /** Children by the path of their parent. @type {Map<string, Folder[]>} */
    this.children = new Map();
    /** @type {Set<string>} */
    this.open = new Set();
    /** @type {Set<string>} */
    this.loading = new Set();
    this.nodes = store(/** @type {Node[]} */ ([]));
    /** How far the browse is. */
    this.state = store(/** @type {any} */ (null));
    this.error = store(/** @type {Error | null} */ (null));
    this.asked = 0;
    this.looking = false;
    /** Whether the whole list was here when it was asked for. */
    this.whole = false;
    /** Whether more came since the last look. */
    this.grown = false;
  }

  /** Has the daemon ask the user; who may change nothing sees what it has. @param {boolean} anew */
  async ask(anew) {
    const path = p`users/${this.username}/browse`;
    const bar = barred();
    if (!bar) return api.post(path, undefined, { anew });
    return api.get(path).catch((error) => {
      throw error.status === 404 ? new Unasked() : error;
    });
  }

  /** Ask the user, unless their files are here. @param {boolean} anew */
  async begin(anew = false) {
    this.error.set(null);
    // Answers may overtake each other: only the newest question counts.
    this.asked += 1;
    const mine = this.asked;
    try {
      if (anew) {
        this.children.clear();
        this.open.clear();
        this.whole = false;
        this.lay();
      }
      const found = await this.ask(anew);
      if (mine !== this.asked) return;
      this.whole &&= found.complete;
      this.state.set(found);
      recent.set((old) => [this.username, ...old.filter((one) => one !== this.username)].slice(0, 20));
      if (found.complete) await this.roots();
      else if (found.folders) this.grow();
    } catch (error) {
      if (mine === this.asked) this.error.set(/** @type {Error} */ (error));
    }
  }

  /** More has come: look at it, but not all the time. */
  async grow() {
    this.grown = true;
    if (this.looking) return;
    this.looking = true;
    try {
      while (this.grown && !this.state.get()?.complete) {
        this.grown = false;
        const begun = performance.now();
        await this.look();
        const took = performance.now() - begun;
        await new Promise((resolve) => { setTimeout(resolve, Math.max(LOOK_EVERY - took, 2 * took)); });
      }
    } finally {
      this.looking = false;
    }
  }

  /** Ask anew for what is shown. */
  async look() {
    const mine = this.asked;
    for (const parent of ["", ...this.open]) {
      const had = this.children.get(parent)?.length ?? 0;
      /** @type {Folder[]} */
      const found = [];
      /** @type {string | undefined} */
      let cursor;
      do {
        const page = await api.get(p`users/${this.username}/browse/tree`, { parent, cursor, limit: PAGE }).catch(() => null);
        if (!page || mine !== this.asked || this.state.get()?.complete) return;
        found.push(...page.items);
        cursor = page.next;
      } while (cursor && found.length < had);
      this.children.set(parent, found);
      // What is below a single root is what people look for; deeper ones may get neighbours yet.
      if (parent === "" && !had && found.length === 1 && found[0].folders) this.open.add(found[0].path);
      this.lay();
    }
  }

  async roots() {
    if (this.whole) return;
    this.whole = true;
    // What came while the list was on its way may lack neighbours; what is open is asked for anew.
    this.children.clear();
    await this.load("");
    for (const parent of [...this.open]) await this.load(parent);
    // A single root has nothing to choose: it is opened at once, and so on down.
    let level = this.children.get("") ?? [];
    while (level.length === 1 && level[0].folders) {
      const [{ path }] = level;
      this.open.add(path);
      await this.load(path);
      level = this.children.get(path) ?? [];
    }
    this.lay();
  }

  /** @param {string} parent */
  async load(parent) {
    if (this.children.has(parent) || this.loading.has(parent)) return;
    this.loading.add(parent);
    try {
      /** @type {Folder[]} */
      const all = [];
      /** @type {string | undefined} */
      let cursor;
      do {
        const page = await api.get(p`users/${this.username}/browse/tree`, { parent, cursor, limit: PAGE });
        all.push(...page.items);
        this.children.set(parent, all);
        // A folder of ten thousand is shown from its first page on.
        this.lay();
        cursor = page.next;
      } while (cursor);
    } catch (error) {
      this.open.delete(parent);
      report(error);
    } finally {
      this.loading.delete(parent);
    }
  }

  /** @param {Folder} folder @param {boolean} open */
  turn(folder, open) {
    if (open) this.open.add(folder.path);
    else this.open.delete(folder.path);
    this.lay();
    if (open) this.load(folder.path);
  }

  lay() {
    /** @type {Node[]} */
    const nodes = [];
    const walk = (/** @type {string} */ parent, /** @type {number} */ depth) => {
      for (const folder of this.children.get(parent) ?? []) {
        nodes.push({ folder, depth });
        if (this.open.has(folder.path)) walk(folder.path, depth + 1);
      }
    };
    walk("", 1);
    this.nodes.set(nodes);
  }

  /** Open everything above a folder. @param {string} path */
  async reveal(path) {
    let at = "";
    for (const piece of path.split("\\")) {
      await this.load(at);
      at = at ? `${at}\\${piece}` : piece;
      if (at !== path) this.open.add(at);
    }
    this.lay();
  }
}

/** @type {Map<string, Tree>} */
const trees = new Map();

/** @param {string} username */
function treeOf(username) {
  let tree = trees.get(username);
  if (!tree) {
    tree = new Tree(username);
    trees.set(username, tree);
    if (trees.size > 6) trees.delete([...trees.keys()][0]);
  }
  return tree;
}

/** @param {{ username: string, folder: string | null, words: string }} props */
function Files({ username, folder, words }) {
  const tree = treeOf(username);
  const state = useStore(tree.state);
  const error = useStore(tree.error);
  const nodes = useStore(tree.nodes);
  const narrow = useNarrow();
  const [text, setText] = useState(words);
  const rested = useRested(text, 200);
  useEffect(() => { tree.begin(); }, [tree]);
  useEffect(() => { if (rested !== words) setQuery({ find: rested }); }, [rested]);
  useEffect(() => { if (state?.complete && folder && nodes.length) tree.reveal(folder); }, [state?.complete, folder, nodes.length > 0]);
  useEvents(["browse"], ({ kind, data }) => {
    if (kind === "missed") tree.begin();
    else if (data.username !== username) return;
    else if (kind === "browse.BrowseProgressed") {
      tree.state.set((/** @type {any} */ old) => (old && !old.complete ? { ...old, ...data } : old));
      if (data.folders) tree.grow();
    }
    else if (kind === "browse.finished") tree.begin();
  });
  if (error instanceof Unasked) {
    return html`<div class="list-empty" role="status"><${Empty} icon="lock" title=${t("browse.unasked.title")} text=${t("browse.unasked.text", { name: username, why: barred() ?? "" })} /></div>`;
  }
  if (error) return html`<${Trouble} error=${error} retry=${() => tree.begin(true)} />`;
  if (!state) return html`<${Loading} label=${t("browse.asking", { name: username })} />`;
  if (state.problem) return html`<${Trouble} error=${new Error(reason(state.problem_code, state.problem))} retry=${() => tree.begin(true)} />`;
  const coming = !state.complete && html`<div class="row small muted browse-coming" role="status">
    <${Progress} value=${state.total ? state.done / state.total : null} label=${t("browse.coming", { name: username })} />
    <span class="num">${state.total ? `${size(state.done)} / ${size(state.total)}` : ""}</span></div>`;
  if (!state.complete && !nodes.length) {
    return html`<div class="empty"><h2>${t("browse.coming", { name: username })}</h2><div class="browse-progress">
      <${Progress} value=${state.total ? state.done / state.total : null} label=${t("browse.coming", { name: username })} /></div>
      <p>${state.total ? `${size(state.done)} / ${size(state.total)}` : ""} ${t("browse.files", { count: state.files ?? 0 })}</p></div>`;
  }
  if (!state.files && !nodes.length) return html`<${Empty} icon="folder" title=${t("browse.nothing.title")} text=${t("browse.nothing.text", { name: username })} />`;
  const bar = html`<div class="search-bar"><div class="filter-field"><input type="search" aria-label=${t("browse.find")} placeholder=${t("browse.find")} value=${text}
      spellcheck=${false} onInput=${(/** @type {any} */ event) => setText(event.currentTarget.value)} /></div>
    <p class="search-count muted small">${t("browse.files", { count: state.files })} · ${t("browse.folders", { count: state.folders })}${state.bytes ? ` · ${size(state.bytes)}` : ""}</p>
    <${IconButton} changes icon="again" label=${t("browse.again")} onClick=${() => tree.begin(true)} /><${PersonMenu} name=${username} /></div>`;
  if (words.trim()) return html`${bar}${coming}<${Hits} username=${username} words=${words} complete=${state.complete} />`;
  const back = html`<div class="crumb"><${Button} kind="ghost" icon="top" onClick=${() => setQuery({ folder: null })}>${t("browse.back")}<//>
    <span class="clip">${folder}</span></div>`;
  return html`${bar}${coming}<div class="browse">
    ${(!narrow || folder === null) && html`<${Folders} tree=${tree} nodes=${nodes} username=${username} folder=${folder} narrow=${narrow} />`}
    ${narrow && folder !== null && back}
    ${folder !== null ? html`<${Content} key=${folder} username=${username} folder=${folder} complete=${state.complete} />`
      : !narrow && html`<div class="list-empty"><${Empty} icon="folder" title=${t("browse.choose.title")} text=${t("browse.choose.text")} /></div>`}</div>`;
}

/** @param {{ tree: Tree, nodes: Node[], username: string, folder: string | null, narrow: boolean }} props */
function Folders({ tree, nodes, username, folder, narrow }) {
  const columns = useMemo(() => [
    { id: "name", title: t("browse.column.folder"), width: "minmax(0, 1fr)", cell: (/** @type {Node} */ node) => html`<${FolderName} folder=${node.folder} />` },
    { id: "files", title: t("browse.column.files"), width: "4.5rem", end: true, cell: (/** @type {Node} */ node) => html`<span class="muted small">${count(node.folder.all_files)}</span>` },
  ], []);
  const selected = useMemo(() => new Set(folder === null ? [] : [folder]), [folder]);
  return html`<${List} label=${t("browse.tree", { name: username })} rows=${nodes} columns=${columns} idOf=${(/** @type {Node} */ node) => node.folder.path}
    level=${(/** @type {Node} */ node) => node.depth} narrowHeight=${44}
    expanded=${(/** @type {Node} */ node) => (node.folder.folders ? tree.open.has(node.folder.path) : undefined)}
    onToggle=${(/** @type {Node} */ node, /** @type {boolean} */ open) => tree.turn(node.folder, open)}
    onOpen=${(/** @type {Node} */ node) => show(tree, node)} selected=${selected}
    onSelected=${(/** @type {Set<string>} */ next) => {
      const [path] = next;
      const node = nodes.find((one) => one.folder.path === path);
      if (!node) return;
      // On a phone a folder that holds folders is gone into; one with files is shown.
      if (narrow && !node.folder.files && node.folder.folders) tree.turn(node.folder, !tree.open.has(path));
      else setQuery({ folder: path });
    }}
    narrow=${(/** @type {Node} */ node) => html`<div class="row"><${FolderName} folder=${node.folder} /><span class="grow"></span><span class="muted small num">${count(node.folder.all_files)}</span></div>`}
    actions=${(/** @type {Node} */ node) => html`<${IconButton} changes icon="down" tabindex="-1" label=${t("search.download.folder", { name: node.folder.name })}
      onClick=${() => downloadFolder(username, node.folder.path)} />`} />`;
}

/** @param {Tree} tree @param {Node} node */
function show(tree, node) {
  setQuery({ folder: node.folder.path });
  if (node.folder.folders) tree.turn(node.folder, !tree.open.has(node.folder.path));
}

/** @param {{ folder: Folder }} props */
function FolderName({ folder }) {
  return html`<${Icon} name=${folder.locked ? "lock" : "folder"} label=${folder.locked ? t("search.locked") : undefined} />
    <span class="clip" title=${folder.path}>${folder.name}</span>`;
}

/** @param {{ file: File, username: string }} props */
function FileName({ file, username }) {
  const state = useStore(wanted, (all) => all.get(`${username}\0${file.path}`));
  return html`<span class="clip" title=${file.path}>${baseName(file.path)}</span>${state && html`<span class=${state === "finished" ? "good" : "accent-ink"}>
    <${Icon} name=${state === "finished" ? "check" : "transfers"} label=${t(`transfers.state.${state}`)} /></span>`}`;
}

/**
 * A list of files of one user, with what can be done with them.
 * @param {{ username: string, files: File[], label: string, empty?: any, folders?: boolean, onEnd?: () => void, head?: any }} props
 */
function FileList({ username, files, label, empty, folders = false, onEnd, head }) {
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [sort, setSort] = useState({ by: "", down: false });
  const ordered = useMemo(() => {
    if (!sort.by) return files;
    /** @type {((file: File) => string | number) | undefined} */
    const key = /** @type {Record<string, any>} */ ({ name: (/** @type {File} */ f) => f.path.toLowerCase(), size: (/** @type {File} */ f) => f.size,
      length: (/** @type {File} */ f) => f.length ?? 0, quality: (/** @type {File} */ f) => (f.bit_depth ?? 0) * (f.sample_rate ?? 0) * 10 + (f.bitrate ?? 0) })[sort.by];
    if (!key) return files;
    return [...files].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (sort.down ? -1 : 1));
  }, [files, sort]);
  const take = (/** @type {File[]} */ chosen) => download(chosen.map((file) => ({ username, path: file.path, size: file.size, length: file.length })));
  const chosen = useMemo(() => files.filter((file) => selected.has(file.path)), [files, selected]);
  const columns = useMemo(() => [
    { id: "name", title: t("search.column.name"), width: "minmax(0, 2fr)", sort: true, cell: (/** @type {File} */ file) => html`<${FileName} file=${file} username=${username} />` },
    ...(folders ? [{ id: "folder", title: t("search.column.folder"), width: "minmax(0, 2fr)", cell: (/** @type {File} */ file) => html`
      <a class="clip" href=${`${href("browse", username)}?folder=${encodeURIComponent(folderOf(file.path))}`} title=${folderOf(file.path)}>${baseName(folderOf(file.path))}</a>` }] : []),
    { id: "quality", title: t("search.column.quality"), width: "5rem", end: true, sort: true, cell: (/** @type {any} */ file) => quality(file) },
    { id: "length", title: t("search.column.length"), width: "4.5rem", end: true, sort: true, cell: (/** @type {File} */ file) => playing(file.length) },
    { id: "size", title: t("search.column.size"), width: "5.5rem", end: true, sort: true, cell: (/** @type {File} */ file) => size(file.size) },
  ], [username, folders]);
  return html`<div class="browse-files">${head}<${List} label=${label} rows=${ordered} columns=${columns} idOf=${(/** @type {File} */ file) => file.path} sort=${sort}
      onSort=${(/** @type {string} */ by, /** @type {boolean} */ down) => setSort({ by, down })} selected=${selected} onSelected=${setSelected}
      onOpen=${(/** @type {File} */ file) => take([file])} empty=${empty}
      onRange=${(/** @type {number} */ first, /** @type {number} */ last) => { if (last > files.length - 200) onEnd?.(); }}
      narrow=${(/** @type {File} */ file) => html`<div class="two"><div><${FileName} file=${file} username=${username} /></div>
        <div class="num"><span>${size(file.size)}</span><span>${quality(/** @type {any} */ (file))}</span><span>${playing(file.length)}</span></div></div>`}
      actions=${(/** @type {File} */ file) => html`<${IconButton} changes icon="down" tabindex="-1" label=${t("search.download.file", { name: baseName(file.path) })} onClick=${() => take([file])} />`} />
    ${chosen.length > 0 && html`<div class="selection" role="status"><span class="grow">${t("search.selected", { count: chosen.length, size: size(total(chosen)) })}</span>
      <${Button} changes kind="primary" icon="down" onClick=${() => { take(chosen); setSelected(new Set()); }}>${t("search.download")}<//></div>`}</div>`;
}

/** @param {File[]} files */
const total = (files) => files.reduce((sum, file) => sum + file.size, 0);

/** The files of one folder. @param {{ username: string, folder: string, complete: boolean }} props */
function Content({ username, folder, complete }) {
  const [files, setFiles] = useState(/** @type {File[]} */ ([]));
  const [next, setNext] = useState(/** @type {string | null} */ (null));
  const [state, setState] = useState(/** @type {"loading" | "here" | Error} */ ("loading"));
  /** @param {string | null} cursor */
  const load = async (cursor) => {
    setState("loading");
    try {
      const page = await api.get(p`users/${username}/browse/files`, { folder, cursor, limit: PAGE });
      setFiles((/** @type {File[]} */ old) => (cursor ? [...old, ...page.items] : page.items));
      setNext(page.next);
      setState("here");
    } catch (error) {
      setState(/** @type {Error} */ (error));
    }
  };
  // What was not here before is looked for again when all of it is.
  useEffect(() => { if (!complete || state !== "here" || !files.length) load(null); }, [username, folder, complete]);
  if (state instanceof Error) return html`<${Trouble} error=${state} retry=${() => load(null)} />`;
  if ((state === "loading" || !complete) && !files.length) return html`<div class="browse-files"><${Loading} /></div>`;
  const head = html`<div class="folder-head"><${Icon} name="folder" /><strong class="clip grow" title=${folder}>${baseName(folder)}</strong>
    <span class="muted small">${t("search.files", { count: files.length })}${next ? " +" : ""}</span>
    <${Button} changes icon="down" onClick=${() => downloadFolder(username, folder)}>${t("browse.download")}<//></div>`;
  return html`<${FileList} username=${username} files=${files} label=${t("browse.in", { name: baseName(folder) })} head=${head}
    onEnd=${() => { if (next && state === "here") load(next); }}
    empty=${html`<${Empty} icon="folder" title=${t("browse.nofiles.title")} text=${t("browse.nofiles.text")} />`} />`;
}

/** What a search inside found. @param {{ username: string, words: string, complete: boolean }} props */
function Hits({ username, words, complete }) {
  const [found, setFound] = useState(/** @type {{ words: string, items: File[] } | Error | null} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    api.get(p`users/${username}/browse/find`, { words, limit: PAGE }, { signal: stop.signal }).then(
      (answer) => setFound({ words, items: answer.items }),
      (error) => { if (!stop.signal.aborted) setFound(error); },
    );
    return () => stop.abort();
  }, [username, words, complete]);
  if (found instanceof Error) return html`<${Trouble} error=${found} />`;
  if (!found) return html`<${Loading} />`;
  return html`<${FileList} username=${username} files=${found.items} folders label=${t("browse.found", { words: found.words })}
    head=${html`<div class="folder-head muted small" role="status">${found.items.length >= PAGE ? html`<${Badge} tone="warn">${t("browse.first", { count: PAGE })}<//>` : t("search.files", { count: found.items.length })}</div>`}
    empty=${html`<${Empty} icon="search" title=${t("browse.nothing.found")} text=${t("browse.nothing.found.text", { words: found.words })} />`} />`;
}
