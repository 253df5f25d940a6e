/**
 * How much is unread in a place, exact in whatever order answers and events arrive.
 *
 * Lines are numbered, and whoever says how many are unread says up to which line that is true: an event about a line
 * that an answer has counted already counts nothing, and an answer that is older than what was heard takes nothing back.
 */

/**
 * @typedef {object} Mark
 * @property {number} counted unread lines up to `until`
 * @property {number} until the newest line that an answer knew of
 * @property {number} read the newest line that was marked as read
 * @property {number[]} since unread lines that were heard of after `until`
 */

/** @type {Mark} */
export const NOTHING = { counted: 0, until: 0, read: 0, since: [] };

/** @param {Mark} mark */
export const unread = (mark) => mark.counted + mark.since.length;

/** A line was said by somebody else. @param {Mark} mark @param {number | null} line null: it was not kept @returns {Mark} */
export function heard(mark, line) {
  if (line === null || line <= mark.until || line <= mark.read || mark.since.includes(line)) return mark;
  return { ...mark, since: [...mark.since, line] };
}

/** Everything up to a line was read. @param {Mark} mark @param {number} line @returns {Mark} */
export function marked(mark, line) {
  if (line < mark.read) return mark;
  return { ...mark, read: line, counted: line >= mark.until ? 0 : mark.counted, since: mark.since.filter((one) => one > line) };
}

/** An answer says how many lines up to its newest are unread. @param {Mark} mark @param {number} count @param {number} until @returns {Mark} */
export function answered(mark, count, until) {
  if (until < mark.until) return mark;
  return { ...mark, until, counted: until <= mark.read ? 0 : count, since: mark.since.filter((line) => line > until) };
}
