/**
 * The daemon at a glance, kept fresh by what is pushed.
 */
import { api } from "./api.js";
import { listen } from "./events.js";
import { store, useStore } from "./store.js";

/** GET /status; null until it is here. */
export const status = store(/** @type {any} */ (null));

/** @type {Promise<void> | null} */
let loading = null;
let again = false;

/**
 * Load it anew; several wishes at once are one request, and one more after it.
 * @returns {Promise<void>}
 */
export function refreshStatus() {
  if (loading) {
    again = true;
    return loading;
  }
  loading = api.get("status").then((found) => status.set(found), () => undefined).finally(() => {
    loading = null;
    if (again) {
      again = false;
      refreshStatus();
    }
  });
  return loading;
}

export const useStatus = () => useStore(status);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
listen(["link", "tree", "share", "settings"], ({ kind, data }) => {
  const known = status.get();
  if (kind === "share.progress" && known) {
    status.set({ ...known, scanning: true, scan_progress: data.progress });
    return;
  }
  clearTimeout(timer);
  timer = setTimeout(refreshStatus, 50);
});
