/**
 * Hooks that views share: loading, acting, the width of the window.
 */
import { useCallback, useEffect, useRef, useState } from "./ui.js";
import { report } from "./toast.js";

/**
 * Loads something when it is first drawn and whenever `deps` change; what was there stays while it loads again.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {any[]} deps
 * @returns {{ data: T | undefined, error: Error | null, loading: boolean, reload: () => void }}
 */
export function useLoad(load, deps) {
  const [state, setState] = useState(/** @type {{ data: T | undefined, error: Error | null, loading: boolean }} */ (
    { data: undefined, error: null, loading: true }));
  const [turn, setTurn] = useState(0);
  const key = useRef(/** @type {any[]} */ ([]));
  useEffect(() => {
    const stop = new AbortController();
    const same = key.current.length === deps.length && key.current.every((value, at) => Object.is(value, deps[at]));
    key.current = deps;
    setState((old) => ({ data: same ? old.data : undefined, error: null, loading: true }));
    load(stop.signal).then(
      (data) => stop.signal.aborted || setState({ data, error: null, loading: false }),
      (error) => stop.signal.aborted || setState((old) => ({ ...old, error, loading: false })),
    );
    return () => stop.abort();
  }, [...deps, turn]);
  const reload = useCallback(() => setTurn((number) => number + 1), []);
  return { ...state, reload };
}

/**
 * Something that a person does: says whether it is under way, and tells what went wrong.
 * @template {any[]} A
 * @param {(...args: A) => Promise<unknown>} run
 * @returns {[(...args: A) => Promise<boolean>, boolean]} the act, which tells whether it went well; whether it is under way
 */
export function useAction(run) {
  const [busy, setBusy] = useState(false);
  const newest = useRef(run);
  newest.current = run;
  const act = useCallback(async (/** @type {A} */ ...args) => {
    setBusy(true);
    try {
      await newest.current(...args);
      return true;
    } catch (error) {
      report(error);
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  return [act, busy];
}

const narrow = matchMedia("(max-width: 699px)");

/** Whether the window is as narrow as a phone. */
export function useNarrow() {
  const [is, setIs] = useState(narrow.matches);
  useEffect(() => {
    const look = () => setIs(narrow.matches);
    narrow.addEventListener("change", look);
    look();
    return () => narrow.removeEventListener("change", look);
  }, []);
  return is;
}

/**
 * A value that changes only after it has rested for a moment: for what is typed.
 * @template T
 * @param {T} value
 * @param {number} milliseconds
 * @returns {T}
 */
export function useRested(value, milliseconds) {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return rested;
}
