/**
 * Dark, light, or as the system has it. All colours are pairs; which one counts is `color-scheme`.
 */
import { kept } from "./store.js";

/** @type {import("./store.js").Store<"auto" | "light" | "dark">} */
export const theme = kept("theme", "auto");

function put() {
  document.documentElement.style.colorScheme = theme.get() === "auto" ? "" : theme.get();
}
theme.subscribe(put);
put();
