// The rooms that we are in, followed from the first use on, whatever view is shown; and the public feed.

import { api, p } from "../../lib/api.js";
import { listen } from "../../lib/events.js";
import { go } from "../../lib/route.js";
import { store } from "../../lib/store.js";
import { refused } from "../../lib/toast.js";
import { NOTHING, answered as counted, heard, marked } from "../../lib/unread.js";

/** @typedef {import("../talk.js").Line} Line */

/**
 * A room that we are in.
 * @typedef {object} Joined
 * @property {string} name
 * @property {boolean} private
 * @property {string | null} owner
 * @property {number} users
 * @property {import("../../lib/unread.js").Mark} mark how much is unread
 * @property {boolean} favourite
 */


const FEED_KEPT = 500;

/** The rooms that we are in; null until they were asked for. */
export const joined = store(/** @type {Joined[] | null} */ (null));
/** What came over the public feed since it was switched on here, and whether it is on. */
export const feed = store({ on: false, lines: /** @type {Line[]} */ ([]) });

/** How much is unread by room, also of those that the list does not know yet. @type {Map<string, import("../../lib/unread.js").Mark>} */
const marks = new Map();

/** The room that is on the screen: what is said there is read at once. */
let shown = "";

/** @param {string} room empty: none */
export function show(room) {
  shown = room;
}

let asked = 0;
let answered = 0;

export async function loadJoined() {
  const number = (asked += 1);
  const { items } = await api.get("rooms/joined");
  if (number < answered) return;
  answered = number;
  const here = items.map((/** @type {any} */ { unread, last_id: until, ...room }) => {
    const mark = counted(marks.get(room.name) ?? NOTHING, unread, until);
    marks.set(room.name, mark);
    return { ...room, mark };
  });
  joined.set(here);
}

/** @param {string} room @param {(found: Joined) => Joined} change */
export function changeJoined(room, change) {
  joined.set((rooms) => rooms && rooms.map((found) => (found.name === room ? change(found) : found)));
}

/** @param {string} room @param {(mark: import("../../lib/unread.js").Mark) => import("../../lib/unread.js").Mark} change */
function mark(room, change) {
  const now = change(marks.get(room) ?? NOTHING);
  marks.set(room, now);
  changeJoined(room, (found) => ({ ...found, mark: now }));
}

let following = false;

export function follow() {
  if (following) return;
  following = true;
  loadJoined().catch(() => (following = false));
}

/** What says nothing about which rooms we are in. */
const ASIDE = new Set(["room.RoomTickerChanged", "room.RoomListChanged"]);

listen(["room", "link"], ({ kind, data }) => {
  if (kind === "room.said") {
    if (data.ours) return;
    const seen = data.room === shown && document.visibilityState === "visible" && data.id !== null;
    mark(data.room, (old) => (seen ? marked(old, data.id) : heard(old, data.id)));
  } else if (kind === "room.read") {
    mark(data.room, (old) => marked(old, data.id));
  } else if (kind === "room.RoomMemberJoined") {
    changeJoined(data.room, (room) => ({ ...room, users: room.users + 1 }));
  } else if (kind === "room.RoomMemberLeft") {
    changeJoined(data.room, (room) => ({ ...room, users: Math.max(0, room.users - 1) }));
  } else if (kind === "room.PublicMessage") {
    overheard(data);
  } else if (following && !ASIDE.has(kind)) {
    loadJoined().catch(() => undefined);
  }
});

let overheardSoFar = 0;

/** @param {{ room: string, username: string, text: string }} said */
function overheard({ room, username, text }) {
  overheardSoFar += 1;
  const line = { key: `feed-${overheardSoFar}`, at: new Date().toISOString(), username, text, own: false, room };
  feed.set(({ on, lines }) => ({ on, lines: [...lines.slice(1 - FEED_KEPT), line] }));
}

/** Enter a room, making it if it is not there. @param {string} room @param {boolean} [closed] */
export async function enter(room, closed = false) {
  if (refused()) return;
  await api.put(p`rooms/joined/${room}?private=${String(closed)}`);
  await loadJoined();
  go("rooms", room);
}
