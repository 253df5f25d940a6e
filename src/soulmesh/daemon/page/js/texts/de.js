/** Deutsch. */
import shell from "./de/shell.js";
import start from "./de/start.js";
import search from "./de/search.js";
import transfers from "./de/transfers.js";
import browse from "./de/browse.js";
import talk from "./de/talk.js";
import rooms from "./de/rooms.js";
import chat from "./de/chat.js";
import users from "./de/users.js";
import interests from "./de/interests.js";
import wishes from "./de/wishes.js";
import shares from "./de/shares.js";
import statistics from "./de/statistics.js";
import settings from "./de/settings.js";
import entries from "./de/entries.js";
import diagnosis from "./de/diagnosis.js";
import log from "./de/log.js";
import told from "./de/told.js";

/** @type {Record<string, string | { one: string, other: string }>} */
export default {
  ...shell,
  ...start,
  ...search,
  ...transfers,
  ...browse,
  ...talk,
  ...rooms,
  ...chat,
  ...users,
  ...interests,
  ...wishes,
  ...shares,
  ...statistics,
  ...settings,
  ...entries,
  ...diagnosis,
  ...log,
  ...told,
};
