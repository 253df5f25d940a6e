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
if (language === "de") words = (await import("../texts/de.js")).default;

const plural = new Intl.PluralRules(language);
const number = new Intl.NumberFormat(locale);

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
  return find(key, values).replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number.format(value) : String(value);
  });
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
