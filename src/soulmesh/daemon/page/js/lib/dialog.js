/**
 * Dialogs: the browser's own element, which keeps focus inside and gives it back.
 */
import { html, Button, Field, IconButton, useEffect, useId, useRef, useState } from "./ui.js";
import { store, useStore } from "./store.js";
import { t } from "./texts.js";

/**
 * @param {{ title: string, onClose: () => void, actions?: any, children?: any, wide?: boolean,
 *   onSubmit?: () => void }} props
 */
export function Dialog({ title, onClose, actions, children, wide = false, onSubmit }) {
  const id = useId("dialog");
  const element = useRef(/** @type {any} */ (null));
  useEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const dialog = element.current;
    dialog.showModal();
    (dialog.querySelector("[autofocus]") ?? dialog.querySelector("input, textarea, select"))?.focus();
    return () => {
      dialog.close();
      before?.focus?.();
    };
  }, []);
  return html`<dialog ref=${element} class=${wide ? "wide" : ""} aria-labelledby=${id}
    onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); onClose(); }}
    onClick=${(/** @type {any} */ event) => { if (event.target === event.currentTarget) onClose(); }}>
    <form class="dialog" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); onSubmit?.(); }}>
      <header><h2 id=${id}>${title}</h2><${IconButton} icon="close" label=${t("close")} onClick=${onClose} /></header>
      <div class="dialog-body">${children}</div>${actions && html`<footer>${actions}</footer>`}</form></dialog>`;
}

const asked = store(/** @type {any} */ (null));

/**
 * Whether to do something.
 * @param {{ title: string, text?: any, action: string, danger?: boolean }} question
 * @returns {Promise<boolean>}
 */
export function ask(question) {
  return new Promise((resolve) => asked.set({ ...question, resolve }));
}

/**
 * A line or a text from the person; null if there is none.
 * @param {{ title: string, label: string, text?: any, value?: string, action: string, multiline?: boolean }} question
 * @returns {Promise<string | null>}
 */
export function askText(question) {
  return new Promise((resolve) => asked.set({ ...question, input: true, resolve }));
}

/** Where questions are asked; once in the page. */
export function Questions() {
  const question = useStore(asked);
  return question && html`<${Question} key=${question} question=${question} />`;
}

/** @param {{ question: any }} props */
function Question({ question }) {
  const [value, setValue] = useState(question.value ?? "");
  /** @param {any} answer */
  const answer = (answer) => {
    asked.set(null);
    question.resolve(answer);
  };
  const no = () => answer(question.input ? null : false);
  const yes = () => answer(question.input ? value : true);
  const change = (/** @type {any} */ event) => setValue(event.currentTarget.value);
  return html`<${Dialog} title=${question.title} onClose=${no} onSubmit=${yes} actions=${html`
    <${Button} onClick=${no}>${t("cancel")}<//>
    <${Button} type="submit" kind=${question.danger ? "danger" : "primary"} autofocus=${!question.input}>${question.action}<//>`}>
    ${question.text && html`<p>${question.text}</p>`}
    ${question.input && html`<${Field} label=${question.label}>${question.multiline
      ? html`<textarea rows="4" value=${value} onInput=${change} autofocus></textarea>`
      : html`<input value=${value} onInput=${change} autofocus />`}<//>`}<//>`;
}
