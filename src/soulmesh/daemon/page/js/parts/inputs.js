// Inputs for settings that are lists or tables: a line each.

import { html, useEffect, useState } from "../lib/ui.js";

/** @param {unknown} one @param {unknown} other */
export function same(one, other) {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}

/** @param {string} text */
export const readList = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
/** @param {unknown} value */
export const writeList = (value) => (Array.isArray(value) ? value.join("\n") : "");
/** @param {string} text */
export const readMap = (text) =>
  Object.fromEntries(
    readList(text).map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
/** @param {unknown} value */
export const writeMap = (value) =>
  Object.entries(value ?? {})
    .map(([key, inner]) => `${key} = ${inner}`)
    .join("\n");

/**
 * A list or a table as lines. What is typed stays as it is typed, whatever it means.
 * @param {{ value: unknown, disabled: boolean, change: (value: unknown) => void, read: (text: string) => unknown,
 *           write: (value: unknown) => string, example: unknown, [attribute: string]: unknown }} props
 */
export function LinesInput({ value, disabled, change, read, write, example, ...attributes }) {
  const [text, setText] = useState(write(value));
  useEffect(() => {
    if (!same(read(text), value)) setText(write(value));
  }, [JSON.stringify(value)]);
  return html`
    <textarea
      ...${attributes}
      rows=${String(Math.min(8, Math.max(2, text.split("\n").length)))}
      spellcheck=${false}
      disabled=${disabled}
      placeholder=${example ? write(example) || String(example) : ""}
      value=${text}
      onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => {
        setText(event.currentTarget.value);
        change(read(event.currentTarget.value));
      }}
    ></textarea>
  `;
}
