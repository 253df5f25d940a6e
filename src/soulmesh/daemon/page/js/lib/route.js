/**
 * Where we are in the page: everything after the # of the address, so that no server has to know of it.
 */
import { store, useStore } from "./store.js";

/** @typedef {{ view: string, rest: string[], query: URLSearchParams, key: string }} Route */

/** @returns {Route} */
function read() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", ...rest] = path.split("/").filter(Boolean).map((piece) => {
    try {
      return decodeURIComponent(piece);
    } catch {
      return piece;
    }
  });
  return { view, rest, query: new URLSearchParams(search), key: path };
}

const route = store(read());
addEventListener("hashchange", () => route.set(read()));

export const useRoute = () => useStore(route);
export const currentRoute = () => route.get();

/**
 * @param {string} view
 * @param {...(string | number)} rest
 */
export function href(view, ...rest) {
  return `#/${[view, ...rest].map((piece) => encodeURIComponent(piece)).join("/")}`;
}

/**
 * @param {string} view
 * @param {...(string | number)} rest
 */
export function go(view, ...rest) {
  location.hash = href(view, ...rest);
}

/**
 * Change parameters of the place where we are, without a step in the history.
 * @param {Record<string, string | null>} changes null takes one away
 */
export function setQuery(changes) {
  const { key, query } = route.get();
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") next.delete(name);
    else next.set(name, value);
  }
  const text = next.toString();
  history.replaceState(null, "", `#/${key}${text ? `?${text}` : ""}`);
  route.set(read());
}
