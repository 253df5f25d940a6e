/**
 * The daemon's API: one function per method, errors as one class, and who we are.
 */
import { store, kept } from "./store.js";
import { seconds } from "./format.js";
import { said, t } from "./texts.js";

/** Where the page itself is: everything is addressed from here, so that it works below any path. */
export const home = new URL(".", document.baseURI);

/**
 * The answer was no. `status` 0 means that the daemon was not reached at all.
 */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   * @param {number | null} retryAfter seconds
   */
  constructor(status, title, detail, retryAfter = null) {
    super(ApiError.words(status, title, detail, retryAfter));
    this.name = "ApiError";
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfter = retryAfter;
  }

  /** Whether it was only asked too often. */
  get busy() {
    return this.status === 429;
  }

  /**
   * @param {number} status
   * @param {string} title
   * @param {string} detail
   * @param {number | null} retryAfter
   */
  static words(status, title, detail, retryAfter) {
    if (status === 0) return t("error.unreachable");
    if (status === 401) return t("error.login");
    if (status === 403 && !detail) return t("error.forbidden");
    if (status === 429) return t("error.busy", { detail: said(detail || title), time: seconds(retryAfter ?? 60) });
    // Which field was meant is for programs; people see it where they typed.
    return said(detail.replace(/^(body|query|path)(\.\w+)*: /, "") || title) || t("error.status", { status });
  }
}

/**
 * @typedef {{ phase: "unknown" | "login" | "in", name: string | null, writes: boolean, administrator: boolean,
 *   authentication: boolean, login: boolean }} Session
 */

/** Who we are to the daemon. */
export const session = store(/** @type {Session} */ (
  { phase: "unknown", name: null, writes: true, administrator: true, authentication: false, login: true }));

const credential = kept("session", /** @type {{ token: string | null, key: string | null }} */ ({ token: null, key: null }));

/** What is put into an address where no header is possible: the event stream, sound, pictures. */
export const accessToken = () => credential.get().token ?? credential.get().key;

/** @returns {Record<string, string>} */
function authority() {
  const { token, key } = credential.get();
  if (token) return { Authorization: `Bearer ${token}` };
  return key ? { "X-API-Key": key } : {};
}

/**
 * A path whose pieces are escaped: p`users/${name}/note`.
 * @param {TemplateStringsArray} strings
 * @param {...(string | number)} values
 */
export function p(strings, ...values) {
  return strings.reduce((path, piece, at) => path + (at ? encodeURIComponent(values[at - 1]) : "") + piece, "");
}

/**
 * The address of something of the API.
 * @param {string} path
 * @param {Record<string, any>} [query] what is undefined, null or "" is left out
 */
export function address(path, query = {}) {
  const url = new URL(`api/v1/${path}`, home);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

/**
 * An address that an element can load by itself, with the credential in it.
 * @param {string} path
 */
export function source(path) {
  return address(path, { access_token: accessToken() }).href;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{ query?: Record<string, any>, body?: any, signal?: AbortSignal, quiet?: boolean }} options
 *   quiet: a refused credential does not bring the login page
 * @returns {Promise<any>}
 */
async function call(method, path, { query, body, signal, quiet = false }) {
  /** @type {Record<string, string>} */
  const headers = { ...authority(), Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query), {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "", "");
  }
  if (response.ok) {
    const text = await response.text();
    return text ? JSON.parse(text) : undefined;
  }
  /** @type {any} */
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && !quiet) session.set((old) => ({ ...old, phase: "login" }));
  const later = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  throw new ApiError(response.status, problem.title ?? "", problem.detail ?? "", Number.isFinite(later) ? later : null);
}

export const api = {
  /**
   * @param {string} path
   * @param {Record<string, any>} [query]
   * @param {{ signal?: AbortSignal }} [options]
   */
  get: (path, query, options = {}) => call("GET", path, { query, ...options }),
  /**
   * @param {string} path
   * @param {any} [body]
   * @param {Record<string, any>} [query]
   */
  post: (path, body, query) => call("POST", path, { body, query }),
  /**
   * @param {string} path
   * @param {any} [body]
   */
  put: (path, body) => call("PUT", path, { body }),
  /**
   * @param {string} path
   * @param {any} [body]
   */
  patch: (path, body) => call("PATCH", path, { body }),
  /**
   * @param {string} path
   * @param {Record<string, any>} [query]
   */
  delete: (path, query) => call("DELETE", path, { query }),
  /**
   * All items of a list, page by page.
   * @param {string} path
   * @param {Record<string, any>} [query]
   * @param {{ signal?: AbortSignal, most?: number }} [options]
   * @returns {Promise<any[]>}
   */
  async all(path, query = {}, { signal, most = 100_000 } = {}) {
    const items = [];
    let cursor;
    do {
      const page = await call("GET", path, { query: { limit: 1000, ...query, cursor }, signal });
      items.push(...page.items);
      cursor = page.next;
    } while (cursor && items.length < most);
    return items;
  },
};

/** Find out whether we are let in as we are. */
export async function enter() {
  const found = await call("GET", "session", { quiet: true });
  const known = !found.authentication || found.role !== null;
  session.set({
    phase: known ? "in" : "login",
    name: found.name,
    writes: found.writes,
    administrator: found.administrator,
    authentication: found.authentication,
    login: found.login,
  });
}

/**
 * @param {string} username
 * @param {string} password
 */
export async function logIn(username, password) {
  const found = await call("POST", "session", { body: { username, password }, quiet: true });
  credential.set({ token: found.token, key: null });
  await enter();
}

/** @param {string} key an API key, where there is no login */
export async function useKey(key) {
  credential.set({ token: null, key });
  await enter();
  if (session.get().phase !== "in") {
    credential.set({ token: null, key: null });
    throw new ApiError(401, "", "");
  }
}

// Whoever logs out, or in, does so for every tab of the browser.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== null && key !== "soulmesh.session") return;
  const next = (newValue && JSON.parse(newValue)) || { token: null, key: null };
  credential.set(next);
  if (next.token || next.key) enter().catch(() => {});
  else if (session.get().authentication) session.set((old) => ({ ...old, phase: "login", name: null }));
});

/** Forget the credential, in this tab and in all others. */
export function logOut() {
  credential.set({ token: null, key: null });
  session.set((old) => ({ ...old, phase: "login", name: null }));
}
