/** English: what every other language falls back to. */
import shell from "./en/shell.js";
import start from "./en/start.js";
import search from "./en/search.js";
import transfers from "./en/transfers.js";
import browse from "./en/browse.js";
import talk from "./en/talk.js";
import rooms from "./en/rooms.js";
import chat from "./en/chat.js";
import users from "./en/users.js";
import interests from "./en/interests.js";
import wishes from "./en/wishes.js";
import shares from "./en/shares.js";
import statistics from "./en/statistics.js";
import settings from "./en/settings.js";
import entries from "./en/entries.js";
import diagnosis from "./en/diagnosis.js";
import log from "./en/log.js";
import told from "./en/told.js";

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
