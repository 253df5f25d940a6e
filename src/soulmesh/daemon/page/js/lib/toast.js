/**
 * Short words at the edge of the page: what was done, what went wrong.
 */
import { html, Icon, IconButton } from "./ui.js";
import { store, useStore } from "./store.js";
import { barred } from "./rights.js";
import { t } from "./texts.js";

/** @typedef {{ id: number, text: string, tone: "good" | "bad" | "plain", action?: { title: string, run: () => void } }} Toast */

const toasts = store(/** @type {Toast[]} */ ([]));
const STAYS = { good: 4000, plain: 5000, bad: 10_000 };
let number = 0;

/** @param {number} id */
function drop(id) {
  toasts.set((old) => old.filter((one) => one.id !== id));
}

/**
 * @param {string} text
 * @param {{ tone?: "good" | "bad" | "plain", action?: { title: string, run: () => void } }} [options]
 */
export function toast(text, { tone = "plain", action } = {}) {
  const id = ++number;
  // The same words are not piled up.
  toasts.set((old) => [...old.filter((one) => one.text !== text).slice(-3), { id, text, tone, action }]);
  setTimeout(drop, STAYS[tone], id);
}

/** @param {unknown} error */
export function report(error) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  toast(error instanceof Error ? error.message : String(error), { tone: "bad" });
}

/** Says why, and is true, where we may not change anything: for what is done by keys and double clicks. */
export function refused() {
  const bar = barred();
  if (bar) toast(bar, { tone: "bad" });
  return Boolean(bar);
}

export function Toasts() {
  const shown = useStore(toasts);
  return html`<div class="toasts" role="status" aria-live="polite">${shown.map((one) => html`
    <div class=${`toast ${one.tone}`} key=${one.id}>
      <${Icon} name=${one.tone === "bad" ? "warning" : one.tone === "good" ? "check" : "info"} /><p>${one.text}</p>
      ${one.action && html`<button type="button" class="button ghost" onClick=${() => { drop(one.id); one.action?.run(); }}>
        ${one.action.title}</button>`}
      <${IconButton} icon="close" label=${t("close")} onClick=${() => drop(one.id)} /></div>`)}</div>`;
}
