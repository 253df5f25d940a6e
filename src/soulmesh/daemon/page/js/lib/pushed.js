/**
 * A value that is asked for once and kept up by events, whatever comes first.
 *
 * What an event changes is made at once, and made again on an answer that was on its way meanwhile: that one may be
 * older. Changes have to be such that making them twice does no harm.
 */

/**
 * @template T
 * @typedef {(value: T) => T} Change
 */

/**
 * @template T
 * @param {(change: Change<T>) => void} make makes a change on the value as it is
 */
export function keptUp(make) {
  /** What was told since each question that has no answer yet. @type {Set<Change<T>[]>} */
  const open = new Set();
  let asked = 0;
  let answered = 0;
  return {
    /** Something was told. @param {Change<T>} change */
    tell(change) {
      for (const told of open) told.push(change);
      make(change);
    },
    /**
     * Ask; the value of the answer as it is by now, null if a later question was answered meanwhile.
     * @param {() => Promise<T>} question
     * @returns {Promise<T | null>}
     */
    async ask(question) {
      /** @type {Change<T>[]} */
      const told = [];
      const number = asked += 1;
      open.add(told);
      try {
        /** @type {T} */
        let value = await question();
        if (number < answered) return null;
        answered = number;
        for (const change of told) value = change(value);
        return value;
      } finally {
        open.delete(told);
      }
    },
  };
}
