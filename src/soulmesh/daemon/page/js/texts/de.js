/** Deutsch. */
import shell from "./de/shell.js";
import search from "./de/search.js";
import transfers from "./de/transfers.js";
import browse from "./de/browse.js";

/** @type {Record<string, string | { one: string, other: string }>} */
export default {
  ...shell,
  ...search,
  ...transfers,
  ...browse,
};
