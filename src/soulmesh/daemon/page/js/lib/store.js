/**
 * State that outlives a view: values that can be watched.
 */
import { useLayoutEffect, useRef, useState } from "../../vendor/preact-hooks.js";

/**
 * @template T
 * @typedef {{ get: () => T, set: (next: T | ((old: T) => T)) => void, subscribe: (tell: () => void) => () => void }} Store
 */

/**
 * A value that tells when it is another one.
 * @template T
 * @param {T} initial
 * @returns {Store<T>}
 */
export function store(initial) {
  let value = initial;
  /** @type {Set<() => void>} */
  const told = new Set();
  return {
    get: () => value,
    set(next) {
      const now = typeof next === "function" ? /** @type {(old: T) => T} */ (next)(value) : next;
      if (Object.is(now, value)) return;
      value = now;
      for (const tell of [...told]) tell();
    },
    subscribe(tell) {
      told.add(tell);
      return () => told.delete(tell);
    },
  };
}

/**
 * A store that this browser keeps. Where keeping is forbidden it lives as long as the page.
 * @template T
 * @param {string} key
 * @param {T} initial
 * @returns {Store<T>}
 */
export function kept(key, initial) {
  const name = `soulmesh.${key}`;
  let first = initial;
  try {
    const found = localStorage.getItem(name);
    if (found !== null) first = JSON.parse(found);
  } catch {
    // Whatever stands there is not ours.
  }
  const inner = store(first);
  inner.subscribe(() => {
    try {
      localStorage.setItem(name, JSON.stringify(inner.get()));
    } catch {
      // Full, or forbidden.
    }
  });
  return inner;
}

/**
 * The value of a store, or a part of it; drawn anew when it changes.
 * @template T
 * @template [U=T]
 * @param {Store<T>} source
 * @param {(value: T) => U} [select]
 * @returns {U}
 */
export function useStore(source, select) {
  const chosen = useRef(select);
  chosen.current = select;
  const [, redraw] = useState(0);
  const now = /** @type {U} */ (select ? select(source.get()) : source.get());
  const seen = useRef(now);
  seen.current = now;
  useLayoutEffect(() => {
    const look = () => {
      const found = chosen.current ? chosen.current(source.get()) : source.get();
      if (!Object.is(found, seen.current)) redraw((number) => number + 1);
    };
    look();
    return source.subscribe(look);
  }, [source]);
  return now;
}
