/**
 * Wanting files: one click, and words about what became of it.
 */
import { api } from "./api.js";
import { go } from "./route.js";
import { refused as barred, report, toast } from "./toast.js";
import { said, t } from "./texts.js";

/** @typedef {{ username: string, path: string, size: number, length?: number | null }} Wanted */

/**
 * Download files, whoever they are from.
 * @param {Wanted[]} files
 */
export async function download(files) {
  if (barred()) return;
  /** @type {Map<string, { path: string, size: number, length: number | null }[]>} */
  const byUser = new Map();
  for (const { username, path, size, length } of files) {
    if (!byUser.has(username)) byUser.set(username, []);
    byUser.get(username)?.push({ path, size, length: length ?? null });
  }
  let taken = 0;
  /** @type {{ path: string, reason: string }[]} */
  const refused = [];
  for (const [username, wanted] of byUser) {
    try {
      const answer = await api.post("downloads", { username, files: wanted });
      taken += answer.taken.length;
      refused.push(...answer.refused);
    } catch (error) {
      report(error);
    }
  }
  tell(taken, refused);
}

/**
 * Download a whole folder, as its owner has it.
 * @param {string} username
 * @param {string} folder
 */
export async function downloadFolder(username, folder) {
  if (barred()) return;
  try {
    const answer = await api.post("downloads/folder", { username, folder });
    tell(answer.taken.length, answer.refused ?? []);
  } catch (error) {
    report(error);
  }
}

/** @param {number} taken @param {{ path: string, reason: string }[]} refused */
function tell(taken, refused) {
  if (taken) {
    toast(t("download.taken", { count: taken }), {
      tone: "good", action: { title: t("download.show"), run: () => go("transfers") },
    });
  }
  if (refused.length) toast(t("download.refused", { count: refused.length, reason: said(refused[0].reason) }), { tone: "bad" });
}
