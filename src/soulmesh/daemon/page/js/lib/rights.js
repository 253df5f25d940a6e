/**
 * What our credential allows: one rule for everything in the page that changes something.
 */
import { session } from "./api.js";
import { t } from "./texts.js";

/** Whether we may change anything. Who logs in anew gets a new page, so that nothing has to watch this. */
export const mayChange = () => session.get().writes;

/**
 * Why a control that changes something is not live, in words for its title; undefined where it is.
 * @param {boolean | undefined} changes whether it changes something
 */
export const barred = (changes = true) => (changes && !mayChange() ? t("rights.readOnly") : undefined);
