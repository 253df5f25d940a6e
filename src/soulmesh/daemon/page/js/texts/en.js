/** English: what every other language falls back to. */
import shell from "./en/shell.js";
import search from "./en/search.js";
import transfers from "./en/transfers.js";
import browse from "./en/browse.js";

/** @type {Record<string, string | { one: string, other: string }>} */
export default {
  ...shell,
  ...search,
  ...transfers,
  ...browse,
};
