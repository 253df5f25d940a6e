/**
 * The views, in the order of the navigation.
 */
import * as browse from "./browse.js";
import * as chat from "./chat.js";
import * as diagnosis from "./diagnosis.js";
import * as interests from "./interests.js";
import * as log from "./log.js";
import * as rooms from "./rooms.js";
import * as search from "./search.js";
import * as settings from "./settings.js";
import * as shares from "./shares.js";
import * as statistics from "./statistics.js";
import * as transfers from "./transfers.js";
import * as users from "./users.js";
import * as wishes from "./wishes.js";

/**
 * @typedef {{ name: string, title: string, icon: string, place: string, short?: string,
 *   View: (props: { rest: string[], query: URLSearchParams }) => any, useBadge?: () => number,
 *   badge?: string }} ViewModule
 */

/** @type {ViewModule[]} */
export const views = [
  search,
  transfers,
  browse,
  rooms,
  chat,
  users,
  interests,
  wishes,
  shares,
  statistics,
  settings,
  diagnosis,
  log,
];
