/**
 * The views, in the order of the navigation.
 */
import * as browse from "./browse.js";
import * as search from "./search.js";
import * as transfers from "./transfers.js";

/**
 * @typedef {{ name: string, title: string, icon: string, place: string,
 *   View: (props: { rest: string[], query: URLSearchParams }) => any, useBadge?: () => number }} ViewModule
 */

/** @type {ViewModule[]} */
export const views = [
  search,
  transfers,
  browse,
];
