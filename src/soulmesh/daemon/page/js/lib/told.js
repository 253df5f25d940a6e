/**
 * What the daemon tells by code, in words: why a transfer waits, what a diagnosis found, what went wrong.
 *
 * A code without words here (from a newer daemon), and what a stranger made up, is shown as it was told.
 */
import { clock, moment, percent, size } from "./format.js";
import { fill, known, t } from "./texts.js";

/** @typedef {Record<string, any>} Params */

/**
 * The words for a key; what stands in [brackets] is left out when a value in it is not known.
 * @param {string} key
 * @param {Params} values
 */
function words(key, values) {
  const there = (/** @type {string} */ piece) => [...piece.matchAll(/\{(\w+)\}/g)].every(([, name]) => values[name] !== undefined && values[name] !== "");
  return fill(t(key).replace(/\[([^\]]*)\]/g, (_, piece) => (there(piece) ? piece : "")), values);
}

/**
 * Why: in our words where they are known, else as it was said.
 * @param {string | null | undefined} code
 * @param {string | null | undefined} text
 */
export function reason(code, text) {
  return code && known(`reason.${code}`) ? t(`reason.${code}`) : text ?? "";
}

/** Whether the words of {@link reason} leave out something of what was said. @param {string} code @param {string} text */
export const shortened = (code, text) => Boolean(code) && known(`reason.${code}`) && /[:(\d]/.test(text);

/** @param {Params} params @returns {Params} */
function valuesOf(params) {
  const { done, size: all, bytes } = params;
  return {
    ...params,
    reason: params.reason === undefined ? undefined : [params.file, reason(params.reason_code, params.reason)].filter(Boolean).join(": "),
    percent: all ? percent(done / all) : undefined,
    size: bytes === undefined ? undefined : size(bytes),
  };
}

/**
 * Where a transfer stands. One that waits for its next try without a known reason has failed.
 * @param {{ now: string, code: string, params: Params, until?: string | null }} story
 */
export function standing({ now, code, params, until }) {
  if (!known(`story.${code}`)) return now;
  const values = valuesOf(params);
  const why = values.reason ?? (code.endsWith(".delayed") ? t("transfers.state.failed") : undefined);
  return words(`story.${code}`, { ...values, reason: why, time: until ? clock(until) : undefined });
}

/**
 * One thing that a transfer went through.
 * @param {{ at: string, code: string, params: Params }} step
 * @param {string | undefined} line the daemon's own words
 */
export function happened({ at, code, params }, line) {
  return known(`story.${code}`) ? `${moment(at)} ${words(`story.${code}`, valuesOf(params))}` : line ?? code;
}

/**
 * One line of a goal's story.
 * @param {{ code: string, params: Params } | undefined} step
 * @param {string} line the daemon's own words
 */
export function goalLine(step, line) {
  return step?.code && known(`goal.${step.code}`) ? words(`goal.${step.code}`, valuesOf(step.params)) : line;
}

/**
 * What a diagnosis found, and what helps.
 * @param {{ found: string, cure: string, code: string, params: Params }} finding
 */
export function finding({ found, cure, code, params }) {
  if (!known(`finding.${code}`)) return { found, cure };
  const values = valuesOf(params);
  return { found: words(`finding.${code}`, values), cure: cure && known(`cure.${code}`) ? words(`cure.${code}`, values) : cure };
}
