// What was said in a place, as it is kept and as it is told: each line once, in the order of their numbers.

import { api } from "../lib/api.js";
import { useEvents } from "../lib/events.js";
import { useLoad } from "../lib/hooks.js";
import { useEffect, useRef, useState } from "../lib/ui.js";

/** @typedef {import("./talk.js").Line} Line */
/** @typedef {{ items: any[], before: number | null }} Answer */

/** How many lines are asked for at once when one goes back to an old line. */
const MANY = 1000;

/** @param {any} said @returns {Line} */
export function asLine(said) {
  // What could not be kept has no number: it stands where it was told.
  const id = said.id ?? Number.MAX_SAFE_INTEGER;
  return { key: said.id === null ? `live-${said.at}` : String(said.id), id, at: said.at, username: said.username, text: said.text, own: said.ours };
}

/** Both, each line once. @param {Line[]} one @param {Line[]} other */
function together(one, other) {
  const all = new Map([...one, ...other].map((line) => [line.key, line]));
  return [...all.values()].sort((a, b) => (a.id ?? 0) - (b.id ?? 0));
}

/**
 * @param {{ path: string, limit: number, kind: string, mine: (data: any) => boolean, ask?: (signal: AbortSignal) => Promise<Answer>,
 *           onSeen: () => void }} props
 *   path: of the messages; kind: the event that tells of a new one; mine: whether that is one of this place; ask: instead of
 *   asking for the newest lines at once; onSeen: unread lines are on the screen
 */
export function useSaid({ path, limit, kind: wanted, mine, ask, onSeen }) {
  const [{ lines, before, fresh, loaded }, set] = useState(
    /** @type {{ lines: Line[], before: number | null, fresh: string | null, loaded: boolean }} */ (
      { lines: [], before: null, fresh: null, loaded: false }
    ),
  );
  const [target, setTarget] = useState(/** @type {string | null} */ (null));
  const unseen = useRef(false);
  const history = useLoad((signal) => (ask ? ask(signal) : api.get(path, { limit }, { signal })), [path]);

  /** Tell that it was seen, if somebody can see it; otherwise as soon as they can. */
  const look = () => {
    if (!unseen.current || document.visibilityState !== "visible") return;
    unseen.current = false;
    onSeen();
  };
  const newest = useRef(look);
  newest.current = look;
  useEffect(() => {
    const changed = () => newest.current();
    document.addEventListener("visibilitychange", changed);
    return () => document.removeEventListener("visibilitychange", changed);
  }, []);

  useEffect(() => {
    const answer = /** @type {Answer | undefined} */ (history.data);
    if (!answer) return;
    const found = answer.items.map(asLine);
    const last = found.at(-1)?.id ?? 0;
    const first = answer.items.find((said) => !said.read);
    set((known) => ({
      // Lines that were told while the answer was on its way are newer; older ones may have a gap after them.
      lines: together(found, known.lines.filter((line) => (line.id ?? 0) > last)),
      before: answer.before,
      fresh: known.loaded ? known.fresh : first ? String(first.id) : null,
      loaded: true,
    }));
    unseen.current ||= first !== undefined;
    look();
  }, [history.data]);

  useEvents([wanted], ({ kind, data }) => {
    if (kind === "missed") history.reload();
    else if (mine(data)) {
      set((known) => ({ ...known, lines: together(known.lines, [asLine(data)]) }));
      if (data.ours) return;
      unseen.current = true;
      // Before the history is here its marks are still needed.
      if (loaded) look();
    }
  });

  /** @param {number} [many] */
  const older = async (many = limit) => {
    const page = await api.get(path, { before, limit: many });
    set((known) => ({ ...known, lines: together(page.items.map(asLine), known.lines), before: page.before }));
  };
  /** Go to a line, however old it is. @param {number} id */
  const reach = async (id) => {
    /** @type {Line[]} */
    let found = [];
    let from = before;
    while (from !== null && from > id) {
      const page = await api.get(path, { before: from, limit: MANY });
      found = [...page.items.map(asLine), ...found];
      from = page.before;
    }
    set((known) => ({ ...known, lines: together(found, known.lines), before: from }));
    setTarget(String(id));
  };
  return { lines, more: before !== null, older: () => older(), fresh, target, reach, settle: () => setTarget(null), history };
}
