/**
 * Whole copies of an album: a search shows of a folder what its words matched; its owner says what else is in it.
 */
import { api, p } from "./api.js";

/** @typedef {{ path: string, size: number, length?: number | null }} Wanted */
/** @typedef {{ username: string, files: Wanted[] }} Candidate */

/** Milliseconds after which an owner who says nothing is not waited for. */
const PATIENCE = 20_000;

const AUDIO = new Set(["flac", "wav", "aiff", "aif", "ape", "wv", "alac", "mp3", "m4a", "ogg", "opus", "aac", "wma"]);

/** What comes with an album, and what it is whole without. */
const BESIDE = ["jpg", "jpeg", "png", "cue", "log", "m3u", "m3u8", "txt", "nfo", "pdf"];

/** @param {Wanted} file */
const kind = (file) => file.path.slice(file.path.lastIndexOf(".") + 1).toLowerCase();

/**
 * All that is in a copy's folder; if its owner cannot be asked, or tells less than was found, what was found.
 * @param {{ username: string, folder: string, files: Wanted[] }} copy
 * @returns {Promise<Candidate & { asked: boolean }>}
 */
async function wholeCopy({ username, folder, files }) {
  const found = files.map(({ path, size, length }) => ({ path, size, length: length ?? null }));
  try {
    const { items } = await api.get(p`users/${username}/folder`, { folder }, { signal: AbortSignal.timeout(PATIENCE) });
    /** @type {Map<string, Wanted>} */
    const told = new Map();
    for (const { files: listed } of /** @type {{ files: Wanted[] }[]} */ (items)) {
      for (const { path, size, length } of listed) told.set(path, { path, size, length: length ?? null });
    }
    if (found.every(({ path }) => told.has(path))) return { username, files: [...told.values()], asked: true };
  } catch {
    // Away, or slow: what the search showed is what is known of it.
  }
  return { username, files: found, asked: false };
}

/**
 * Candidates for a goal, in the order of the copies; what it is whole without; and who could not be asked.
 * @param {{ username: string, folder: string, files: Wanted[] }[]} copies
 * @returns {Promise<{ candidates: Candidate[], may_miss: string[], unasked: string[] }>}
 */
export async function wholeCopies(copies) {
  const all = await Promise.all(copies.map(wholeCopy));
  const candidates = all.map(({ username, files }) => ({ username, files }));
  // Of folders without sound it is what they are made of that would be missed.
  const music = candidates.every(({ files }) => files.some((file) => AUDIO.has(kind(file))));
  return { candidates, may_miss: music ? BESIDE : [], unasked: all.filter((one) => !one.asked).map((one) => one.username) };
}
