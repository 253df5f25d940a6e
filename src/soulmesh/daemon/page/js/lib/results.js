/**
 * The results of one search, as they come: kept as rows in the order of their arrival, and laid out for the list.
 *
 * Tens of thousands stay fluid because nothing is done per result while they come: new rows are appended, and at most
 * five times a second everything is laid out anew in a few milliseconds. Which rows pass the filter is the daemon's to
 * say, so that there is one language of filters; it answers with their numbers, for the new ones alone.
 */
import { api } from "./api.js";
import { listen } from "./events.js";
import { store } from "./store.js";

/**
 * @typedef {{ at: number, username: string, path: string, name: string, folder: string, size: number,
 *   bitrate: number | null, length: number | null, sample_rate: number | null, bit_depth: number | null, vbr: boolean,
 *   extension: string, locked: boolean, free_slot: boolean, speed: number, queue: number, lower?: string }} Hit
 */

/**
 * One line of the list.
 * @typedef {{ kind: "user", key: string, user: User, count: number, size: number }} UserLine
 * @typedef {{ kind: "folder", key: string, user: User, folder: string, count: number, size: number, files: Hit[] }} FolderLine
 * @typedef {{ kind: "file", key: string, hit: Hit }} FileLine
 * @typedef {UserLine | FolderLine | FileLine} Line
 */

/** @typedef {{ name: string, folders: Map<string, Hit[]>, first: Hit }} User */
/** @typedef {{ by: string, down: boolean, flat: boolean }} Order */

const PAGE = 1000;
/** Milliseconds between two layouts while results come. */
const EVERY = 200;

/** What files are compared by. @type {Record<string, (hit: Hit) => number | string>} */
const KEYS = {
  arrival: (hit) => hit.at,
  name: (hit) => hit.lower ?? (hit.lower = hit.path.toLowerCase()),
  size: (hit) => hit.size,
  quality: (hit) => (hit.bit_depth ?? 0) * (hit.sample_rate ?? 0) * 10 + (hit.bitrate ?? 0),
  length: (hit) => hit.length ?? 0,
  speed: (hit) => hit.speed,
  queue: (hit) => (hit.free_slot ? 0 : 1e9) + hit.queue,
  user: (hit) => hit.username.toLowerCase(),
};

/** @param {number | string} a @param {number | string} b */
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export class Results {
  /** @param {string} id of the search */
  constructor(id) {
    this.id = id;
    /** @type {Hit[]} */
    this.hits = [];
    /** The line of each hit, by number: made once. @type {FileLine[]} */
    this.files = [];
    /** @type {Map<string, User>} */
    this.users = new Map();
    /** Folded or not, against what is usual. @type {Set<string>} */
    this.turned = new Set();
    this.folded = false;
    /** @type {Order} */
    this.order = { by: "arrival", down: false, flat: false };
    this.filter = "";
    /** Rows that pass, by number; null lets all pass. @type {Uint8Array | null} */
    this.passing = null;
    this.judged = 0;
    /** The search itself, as the API tells of it. */
    this.search = store(/** @type {any} */ (null));
    this.lines = store(/** @type {Line[]} */ ([]));
    this.shown = 0;
    this.error = store(/** @type {Error | null} */ (null));
    this.filterError = store(/** @type {string | null} */ (null));
    /** What was told of the search last; its own answer may be older. @type {any} */
    this.told = null;
    /** Whether the search itself has to be asked for. */
    this.stale = true;
    this.loading = false;
    this.again = false;
    this.laid = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.quit = listen(["search"], ({ kind, data }) => {
      if (kind === "missed" || (kind === "search.changed" && data.id === id)) {
        if (kind !== "missed") {
          this.told = data;
          this.search.set((/** @type {any} */ old) => old && { ...old, ...data });
        }
        this.load(kind === "missed");
      }
    });
    this.load();
  }

  /** Fetch what we do not have. @param {boolean} [anew] the search itself as well */
  async load(anew = false) {
    if (anew) this.stale = true;
    if (this.loading) {
      this.again = true;
      return;
    }
    this.loading = true;
    try {
      do {
        this.again = false;
        if (this.stale) {
          this.stale = false;
          this.told = null;
          const found = await api.get(`searches/${this.id}`);
          this.search.set({ ...found, ...this.told });
        }
        await this.fetch();
      } while (this.again);
      this.error.set(null);
    } catch (error) {
      this.stale ||= !this.search.get();
      this.error.set(/** @type {Error} */ (error));
    } finally {
      this.loading = false;
    }
  }

  async fetch() {
    for (;;) {
      const page = await api.get(`searches/${this.id}/files`, { offset: this.hits.length, limit: PAGE });
      for (const row of page.items) this.take(row);
      if (page.items.length) {
        await this.judge();
        this.soon();
      }
      if (!page.items.length || this.hits.length >= page.total) return;
    }
  }

  /** @param {any} row */
  take(row) {
    row.at = this.hits.length;
    this.hits.push(row);
    this.files.push({ kind: "file", key: String(row.at), hit: row });
    let user = this.users.get(row.username);
    if (!user) this.users.set(row.username, user = { name: row.username, folders: new Map(), first: row });
    const folder = user.folders.get(row.folder);
    if (folder) folder.push(row);
    else user.folders.set(row.folder, [row]);
  }

  // -- the filter

  /** @param {string} text */
  async keep(text) {
    if (text === this.filter) return;
    this.filter = text;
    this.judged = 0;
    this.filterError.set(null);
    try {
      await this.judge();
      this.lay();
    } catch (error) {
      if (this.filter === text) this.filterError.set(/** @type {Error} */ (error).message);
    }
  }

  /** Have the rows judged that were not yet. */
  async judge() {
    const { filter } = this;
    if (!filter.trim()) {
      this.passing = null;
      return;
    }
    const found = await api.get(`searches/${this.id}/matches`, { filter, offset: this.judged });
    if (filter !== this.filter) return;
    const passing = new Uint8Array(Math.max(this.hits.length, found.end));
    if (found.start && this.passing) passing.set(this.passing.subarray(0, found.start));
    for (const at of found.matches) passing[at] = 1;
    this.passing = passing;
    this.judged = found.end;
  }

  // -- the layout

  /** Lay out in a moment; those that come until then are laid out together. */
  soon() {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => this.lay(), Math.max(0, this.laid + EVERY - performance.now()));
  }

  /** @param {Partial<Order>} change */
  arrange(change) {
    this.order = { ...this.order, ...change };
    this.lay();
  }

  /** @param {string} key @param {boolean} open */
  turn(key, open) {
    if (open === !this.folded) this.turned.delete(key);
    else this.turned.add(key);
    this.lay();
  }

  /** @param {boolean} folded */
  fold(folded) {
    this.folded = folded;
    this.turned.clear();
    this.lay();
  }

  /** @param {string} key */
  open(key) {
    return this.turned.has(key) === this.folded;
  }

  lay() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.lines.set(this.order.flat ? this.flat() : this.grouped());
    this.laid = performance.now();
  }

  /** @returns {Line[]} */
  flat() {
    const { by, down } = this.order;
    const { passing } = this;
    const chosen = passing ? this.hits.filter((hit) => passing[hit.at]) : [...this.hits];
    this.shown = chosen.length;
    if (by !== "arrival" || down) sort(chosen, KEYS[by] ?? KEYS.arrival, down);
    return chosen.map((hit) => this.files[hit.at]);
  }

  /** @returns {Line[]} */
  grouped() {
    const { by, down } = this.order;
    const { passing } = this;
    const key = KEYS[by] ?? KEYS.arrival;
    const better = down ? (/** @type {any} */ a, /** @type {any} */ b) => a > b : (/** @type {any} */ a, /** @type {any} */ b) => a < b;
    const groups = [];
    this.shown = 0;
    for (const user of this.users.values()) {
      const folders = [];
      let count = 0;
      let size = 0;
      /** @type {any} */
      let best;
      for (const [folder, all] of user.folders) {
        const files = passing ? all.filter((hit) => passing[hit.at]) : all;
        if (!files.length) continue;
        let sum = 0;
        /** @type {any} */
        let top;
        for (const hit of files) {
          sum += hit.size;
          const value = key(hit);
          if (top === undefined || better(value, top)) top = value;
        }
        if (by === "size") top = sum;
        count += files.length;
        size += sum;
        if (best === undefined || better(top, best)) best = top;
        folders.push({ folder, files, size: sum, best: top });
      }
      if (!count) continue;
      this.shown += count;
      groups.push({ user, folders, count, size, best: by === "size" ? size : best });
    }
    const order = (/** @type {any} */ a, /** @type {any} */ b) => (down ? compare(b.best, a.best) : compare(a.best, b.best));
    groups.sort(order);
    /** @type {Line[]} */
    const lines = [];
    for (const { user, folders, count, size } of groups) {
      const userKey = `u:${user.name}`;
      lines.push({ kind: "user", key: userKey, user, count, size });
      if (!this.open(userKey)) continue;
      folders.sort(order);
      for (const { folder, files, size: sum } of folders) {
        const folderKey = `f:${user.name}\0${folder}`;
        lines.push({ kind: "folder", key: folderKey, user, folder, count: files.length, size: sum, files });
        if (!this.open(folderKey)) continue;
        const ordered = by === "arrival" && !down ? files : sort([...files], key, down);
        for (const hit of ordered) lines.push(this.files[hit.at]);
      }
    }
    return lines;
  }

  /** Nobody looks any more. */
  close() {
    clearTimeout(this.timer);
    this.quit();
  }
}

/**
 * Sort in place; keys are read once a hit.
 * @param {Hit[]} hits
 * @param {(hit: Hit) => number | string} key
 * @param {boolean} down
 */
function sort(hits, key, down) {
  if (hits.length < 2) return hits;
  return hits.sort((a, b) => (down ? compare(key(b), key(a)) : compare(key(a), key(b))) || a.at - b.at);
}

/** The few searches looked at last. @type {Map<string, Results>} */
const open = new Map();
const KEPT = 4;

/** @param {string} id */
export function resultsOf(id) {
  let found = open.get(id);
  if (found) open.delete(id);
  else found = new Results(id);
  open.set(id, found);
  if (open.size > KEPT) {
    const [oldest] = open.keys();
    open.get(oldest)?.close();
    open.delete(oldest);
  }
  return found;
}

/** @param {string} id */
export function dropResults(id) {
  open.get(id)?.close();
  open.delete(id);
}
