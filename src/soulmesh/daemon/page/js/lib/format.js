/**
 * Figures as people read them. Sizes are bytes, speeds bytes per second, times seconds or ISO 8601.
 */
import { locale, t } from "./texts.js";

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const hourAndSecond = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const date = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
const dateShort = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

/** @param {number} number */
export const count = (number) => whole.format(number);

/**
 * @param {number | null | undefined} bytes
 * @returns {string}
 */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || Math.abs(value) >= 100 ? whole.format(value) : tenths.format(value)} ${UNITS[unit]}`;
}

/** @param {number | null | undefined} bytesPerSecond */
export const speed = (bytesPerSecond) => (bytesPerSecond ? `${size(bytesPerSecond)}/s` : "–");

/**
 * @param {number | null | undefined} number
 * @returns {string}
 */
export function seconds(number) {
  if (number === null || number === undefined || !Number.isFinite(number)) return "–";
  const all = Math.max(0, Math.round(number));
  if (all < 60) return t("time.seconds", { seconds: all });
  if (all < 3600) return t("time.minutes", { minutes: Math.floor(all / 60), seconds: all % 60 });
  if (all < 86_400) return t("time.hours", { hours: Math.floor(all / 3600), minutes: Math.floor((all % 3600) / 60) });
  return t("time.days", { days: Math.floor(all / 86_400), hours: Math.floor((all % 86_400) / 3600) });
}

/**
 * How long a piece of music is: 3:05, 1:02:03.
 * @param {number | null | undefined} number
 */
export function playing(number) {
  if (!number) return "";
  const all = Math.round(number);
  const rest = String(all % 60).padStart(2, "0");
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/**
 * Today the time, else the date with it; another year's date alone.
 * @param {string | null | undefined} iso
 */
export function moment(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return hour.format(at);
  return at.getFullYear() === now.getFullYear() ? dateShort.format(at) : date.format(at);
}

/** @param {string | null | undefined} iso */
export const clock = (iso) => (iso ? hourAndSecond.format(new Date(iso)) : "");

/**
 * "3 minutes ago"
 * @param {string | null | undefined} iso
 */
export function ago(iso) {
  if (!iso) return "";
  const past = (new Date(iso).getTime() - Date.now()) / 1000;
  for (const [unit, length] of /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([
    ["year", 31_536_000], ["month", 2_592_000], ["day", 86_400], ["hour", 3600], ["minute", 60],
  ])) {
    if (Math.abs(past) >= length) return relative.format(Math.trunc(past / length), unit);
  }
  return relative.format(Math.trunc(past), "second");
}

/** @param {number} part 0 to 1 */
export const percent = (part) => `${Math.floor(part * 100)} %`;

/**
 * The last part of a peer's path.
 * @param {string} path
 */
export function baseName(path) {
  return path.slice(Math.max(path.lastIndexOf("\\"), path.lastIndexOf("/")) + 1);
}

/**
 * Everything before it.
 * @param {string} path
 */
export function folderOf(path) {
  return path.slice(0, Math.max(0, Math.max(path.lastIndexOf("\\"), path.lastIndexOf("/"))));
}

/**
 * The ending in lower case, without its dot.
 * @param {string} path
 */
export function extension(path) {
  const name = baseName(path);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
}
