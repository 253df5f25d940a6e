/**
 * What happens, pushed: one WebSocket for the whole page, which goes on where it broke off.
 */
import { useEffect, useRef } from "./ui.js";
import { store } from "./store.js";
import { accessToken, address, enter } from "./api.js";

/** @typedef {{ id: string, kind: string, data: any }} Told */
/** @typedef {{ kinds: Set<string>, tell: (told: Told) => void }} Ear */

export const connection = store(/** @type {"connecting" | "open" | "lost"} */ ("connecting"));

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

/** @type {Set<Ear>} */
const ears = new Set();
/** @type {WebSocket | null} */
let socket = null;
let last = "";
let pause = FIRST_PAUSE;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let wanted = false;

/**
 * Hear of some kinds of events; "transfer" is all about transfers, "transfer.progress" that alone.
 * `missed` is told to everybody: something was lost, load anew.
 * @param {string[]} kinds
 * @param {(told: Told) => void} tell
 * @returns {() => void} ends it
 */
export function listen(kinds, tell) {
  const ear = { kinds: new Set(kinds), tell };
  ears.add(ear);
  return () => ears.delete(ear);
}

/**
 * Hear of events while a component is shown.
 * @param {string[]} kinds
 * @param {(told: Told) => void} handler
 */
export function useEvents(kinds, handler) {
  const newest = useRef(handler);
  newest.current = handler;
  useEffect(() => listen(kinds, (told) => newest.current(told)), [kinds.join()]);
}

/** @param {Told} told */
function tell(told) {
  const topic = told.kind.split(".", 1)[0];
  for (const ear of [...ears]) {
    if (told.kind === "missed" || ear.kinds.has(told.kind) || ear.kinds.has(topic)) {
      try {
        ear.tell(told);
      } catch (error) {
        reportError(error);
      }
    }
  }
}

function open() {
  clearTimeout(timer);
  const url = address("events/socket", { access_token: accessToken(), after: last });
  url.protocol = url.protocol.replace("http", "ws");
  const mine = new WebSocket(url);
  socket = mine;
  let opened = false;
  mine.onopen = () => {
    opened = true;
    pause = FIRST_PAUSE;
    // Without an id to go on from, whatever was loaded before may be out of date.
    if (connection.get() === "lost" && !last) tell({ id: "", kind: "missed", data: { count: null } });
    connection.set("open");
  };
  mine.onmessage = (message) => {
    for (const told of /** @type {Told[]} */ (JSON.parse(message.data))) {
      last = told.id;
      tell(told);
    }
  };
  mine.onclose = () => {
    if (socket !== mine) return;
    socket = null;
    if (!wanted) return;
    connection.set("lost");
    timer = setTimeout(open, pause);
    pause = Math.min(LONGEST_PAUSE, pause * 2);
    // Refused, or not reached: a browser does not say which. Who is not let in any more has to log in again.
    if (!opened) enter().catch(() => undefined);
  };
}

/** Begin to listen. */
export function connect() {
  if (wanted) return;
  wanted = true;
  connection.set("connecting");
  open();
}

/** Listen no more. */
export function disconnect() {
  wanted = false;
  clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
}

addEventListener("online", () => {
  if (wanted && !socket) open();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && wanted && !socket) open();
});
