/**
 * All transfers that are not over, and those that ended while we looked: loaded once, then pushed.
 */
import { api } from "./api.js";
import { listen } from "./events.js";
import { keptUp } from "./pushed.js";
import { report } from "./toast.js";
import { store } from "./store.js";

/**
 * @typedef {{ id: string, direction: "download" | "upload", username: string, path: string, size: number | null,
 *   done: number, state: string, reason: string, reason_code: string, place: number | null, speed: number, seconds_left: number | null,
 *   attempts: number, added: string, started: string | null, ended: string | null, batch: string | null,
 *   local_path: string | null, priority?: number }} Transfer
 */

/** States after which nothing more happens by itself. */
export const OVER = new Set(["finished", "cancelled", "failed"]);

/** By id. A new map for each change, so that who looks knows; rows are replaced, never changed. */
export const transfers = store(/** @type {Map<string, Transfer>} */ (new Map()));
/** Whether the list is here. */
export const loaded = store(false);
/** Files by "user\0path" that are on their way or arrived, for marks in results. */
export const wanted = store(/** @type {Map<string, string>} */ (new Map()));

let begun = false;

/** Begin to follow them; called by whoever shows them. */
export function follow() {
  if (begun) return;
  begun = true;
  load();
  listen(["transfer"], ({ kind, data }) => {
    if (kind === "missed") load();
    else if (kind === "transfer.progress") progress(data.rows);
    else if (kind === "transfer.TransferRemoved") put((map) => map.delete(data.id));
    else if (kind === "transfer.cleared") {
      put((map) => map.forEach((row, id) => OVER.has(row.state) && data.direction !== (row.direction === "download" ? "upload" : "download") && map.delete(id)));
    }
    else if (data.row) put((map) => map.set(data.row.id, data.row));
    else if (data.id) {
      api.get(`transfers/${data.id}`).then((row) => put((map) => map.has(row.id) || map.set(row.id, row)), () => undefined);
    }
  });
}

/** @typedef {Map<string, Transfer>} Transfers */

const list = keptUp(/** @param {(map: Transfers) => Transfers} change */ (change) => soon(change));

async function load() {
  try {
    const found = await list.ask(async () => {
      const running = await api.all("transfers");
      const known = new Map(running.map((row) => [row.id, row]));
      // What ended while nobody listened is in the history; those we know of are kept until then.
      for (const [id, row] of transfers.get()) if (OVER.has(row.state) && !known.has(id)) known.set(id, row);
      return known;
    });
    if (found) {
      transfers.set(found);
      remark();
    }
    loaded.set(true);
  } catch (error) {
    report(error);
  }
}

/** @param {(map: Transfers) => unknown} change of the map itself, which nobody else has seen */
function put(change) {
  list.tell((map) => {
    change(map);
    return map;
  });
}

/** @type {((map: Transfers) => Transfers)[]} */
let changes = [];

/** Changes that come together are one drawing. @param {(map: Transfers) => Transfers} change */
function soon(change) {
  changes.push(change);
  if (changes.length > 1) return;
  requestAnimationFrame(() => {
    const next = new Map(transfers.get());
    for (const one of changes) one(next);
    changes = [];
    transfers.set(next);
    remark();
  });
}

/** @param {[string, number, number | null, number, number | null][]} rows */
function progress(rows) {
  put((map) => {
    for (const [id, done, size, speed, left] of rows) {
      const old = map.get(id);
      if (old && !OVER.has(old.state)) map.set(id, { ...old, done, size, speed, seconds_left: left });
    }
  });
}

function remark() {
  const marks = new Map();
  for (const row of transfers.get().values()) {
    if (row.direction === "download") marks.set(`${row.username}\0${row.path}`, row.state);
  }
  const old = wanted.get();
  if (old.size === marks.size && [...marks].every(([key, state]) => old.get(key) === state)) return;
  wanted.set(marks);
}

/** @param {string[]} ids */
export function forget(ids) {
  put((map) => ids.forEach((id) => map.delete(id)));
}
