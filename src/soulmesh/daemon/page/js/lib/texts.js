/**
 * The message catalogue: which words a person reads, in the language of the browser or the one chosen.
 */
import { kept } from "./store.js";
import en from "../texts/en.js";

/** @typedef {string | { one: string, other: string }} Entry */

/** @type {Record<string, string>} */
export const LANGUAGES = { en: "English", de: "Deutsch" };

/** The language chosen; null is the browser's. */
export const chosenLanguage = kept("language", /** @type {string | null} */ (null));

/** @returns {string} */
function pick() {
  const wanted = [chosenLanguage.get(), ...navigator.languages];
  for (const one of wanted) {
    const short = one?.slice(0, 2).toLowerCase();
    if (short && short in LANGUAGES) return short;
  }
  return "en";
}

/** The language in use; it is read once, a change takes a reload. */
export const language = pick();

/** The same with its country, if the browser says one: how dates and figures are written. */
export const locale = navigator.languages.find((one) => one.slice(0, 2).toLowerCase() === language) ?? language;

/** @type {Record<string, Entry>} */
let words = en;
/** What the daemon says in English, and the same in the language in use. @type {[RegExp, string][]} */
let sentences = [];
if (language === "de") {
  const [catalogue, { default: told }] = await Promise.all([import("../texts/de.js"), import("../texts/said/de.js")]);
  words = catalogue.default;
  sentences = told.map(([sentence, ours]) => [new RegExp(`^${sentence.replace(/[.*+?^$()|[\]\\]/g, "\\$&").replaceAll("{}", "(.*?)")}$`, "s"), ours]);
}

const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(locale);
/** Numbers that are names, and are written as such. */
const NAMES = new Set(["port"]);

/**
 * @param {string} key
 * @param {Record<string, any>} values
 * @returns {string}
 */
function find(key, values) {
  const entry = words[key] ?? en[key];
  if (entry === undefined) return key;
  if (typeof entry === "string") return entry;
  return plural.select(values.count ?? 0) === "one" ? entry.one : entry.other;
}

/**
 * The words for a key; `{name}` stands for a value, numbers are written as the language does.
 * @param {string} key
 * @param {Record<string, any>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  return fill(find(key, values), values);
}

/** Whether there are words for a key. @param {string} key */
export const known = (key) => key in words || key in en;

/**
 * Put values into words.
 * @param {string} text
 * @param {Record<string, any>} values
 * @returns {string}
 */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" && !NAMES.has(name) ? number.format(value) : String(value);
  });
}

/**
 * A sentence of the daemon's in the language of the page; one that nobody foresaw stays as it is.
 * @param {string} sentence
 */
export function said(sentence) {
  for (const [pattern, ours] of sentences) {
    const values = sentence.match(pattern)?.slice(1);
    if (!values) continue;
    // What stands behind a colon at the end is a sentence of its own.
    if (/[:,] \{\}$/.test(ours)) values.push(said(values.pop() ?? ""));
    return ours.replaceAll("{}", () => values.shift() ?? "");
  }
  return sentence;
}

/**
 * The same with elements in it: an array of texts and what was given.
 * @param {string} key
 * @param {Record<string, any>} values
 * @returns {any[]}
 */
export function tx(key, values) {
  return find(key, values).split(/(\{\w+\})/).map((piece) => {
    const name = piece.match(/^\{(\w+)\}$/)?.[1];
    if (name === undefined || values[name] === undefined) return piece;
    return typeof values[name] === "number" ? number.format(values[name]) : values[name];
  });
}
