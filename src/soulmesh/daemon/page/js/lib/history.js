/**
 * What is over, newest first: loaded page by page, and kept up by what is pushed.
 */
import { useEffect, useMemo, useRef, useState } from "./ui.js";
import { api } from "./api.js";
import { useEvents } from "./events.js";
import { keptUp } from "./pushed.js";
import { OVER } from "./transfers.js";

/** @typedef {import("./transfers.js").Transfer} Transfer */
/** @typedef {{ rows: Transfer[], next: string | null }} History */

const PAGE = 200;

/**
 * What an event changes; null where it changes nothing.
 * @param {import("./events.js").Told} told
 * @returns {((rows: Transfer[]) => Transfer[]) | null}
 */
function changeBy({ kind, data }) {
  if (kind === "transfer.TransferRemoved") return (rows) => rows.filter((row) => row.id !== data.id);
  if (kind === "transfer.cleared") return (rows) => rows.filter((row) => data.direction !== null && row.direction !== data.direction);
  const { row } = data;
  if (!row) return null;
  // One that is tried again leaves the history, and comes back at its end.
  if (!OVER.has(row.state)) return (rows) => (rows.some((known) => known.id === row.id) ? rows.filter((known) => known.id !== row.id) : rows);
  return (rows) => [row, ...rows.filter((known) => known.id !== row.id)];
}

/** The history while it is shown. */
export function useHistory() {
  const [{ rows, next }, set] = useState(/** @type {History} */ ({ rows: [], next: null }));
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const shown = useRef({ rows, next });
  shown.current = { rows, next };
  const list = useMemo(() => keptUp(/** @param {(value: History) => History} change */ (change) => set(change)), []);

  /** @param {string | null} cursor */
  const load = async (cursor) => {
    setBusy(true);
    try {
      const found = await list.ask(async () => {
        const page = await api.get("history", { cursor, limit: PAGE });
        const known = cursor ? shown.current.rows : [];
        const ids = new Set(known.map((row) => row.id));
        return { rows: [...known, ...page.items.filter((/** @type {Transfer} */ row) => !ids.has(row.id))], next: page.next };
      });
      if (found) set(found);
      setError(null);
    } catch (problem) {
      setError(/** @type {Error} */ (problem));
    }
    setBusy(false);
  };

  useEvents(["transfer"], (told) => {
    if (told.kind === "missed") load(null);
    else {
      const change = changeBy(told);
      if (change) list.tell((old) => ({ ...old, rows: change(old.rows) }));
    }
  });
  useEffect(() => { load(null); }, []);

  const reload = () => load(null);
  const more = () => {
    if (next && !busy) load(next);
  };
  return { rows, busy, error, reload, more };
}
