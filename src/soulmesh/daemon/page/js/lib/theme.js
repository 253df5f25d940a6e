/**
 * Dark, light, or as the system has it. All colours are pairs; which one counts is `color-scheme`.
 */
import { kept } from "./store.js";

export const theme = kept("theme", /** @type {"auto" | "light" | "dark"} */ ("auto"));

function put() {
  document.documentElement.style.colorScheme = theme.get() === "auto" ? "" : theme.get();
}
theme.subscribe(put);
put();
