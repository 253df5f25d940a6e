// What rooms and private conversations have in common: the lines that were said, and the box to write in.

import { useNarrow } from "../lib/hooks.js";
import { barred } from "../lib/rights.js";
import { store, useStore } from "../lib/store.js";
import { Button, Fragment, Icon, IconButton, html, useEffect, useLayoutEffect, useRef, useState } from "../lib/ui.js";
import { locale, t } from "../lib/texts.js";
import { report } from "../lib/toast.js";

/**
 * Something that was said.
 * @typedef {object} Line
 * @property {string} key tells it from all others in the same place
 * @property {number} [id] its number in the history, where it has one
 * @property {string | null} at ISO 8601
 * @property {string} username
 * @property {string} text
 * @property {boolean} own
 * @property {string} [room] where, when lines of several rooms are mixed
 */

const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });

const LINK = /https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]]/g;

/**
 * Text with its web addresses as links. Everything else stays text, whatever it looks like.
 * @param {string} text
 */
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    parts.push(text.slice(end, found.index));
    parts.push(html`<a href=${found[0]} target="_blank" rel="noreferrer noopener nofollow">${found[0]}</a>`);
    end = found.index + found[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

/**
 * The day of a line, as a heading between lines.
 * @param {string | null} at
 */
function day(at) {
  if (!at) return "";
  const date = new Date(at);
  const today = new Date();
  if (date.toDateString() === today.toDateString()) return t("talk.today");
  today.setDate(today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return t("talk.yesterday");
  return date.toLocaleDateString(locale, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

/** @param {string} text @param {string | null | undefined} me */
function mentions(text, me) {
  return Boolean(me) && text.toLowerCase().includes(String(me).toLowerCase());
}

/**
 * The lines of a conversation, newest at the end, where it stays while one is there.
 *
 * `fresh` is the key of the first line that was not read before; a rule stands above it. `target` is the key of a line
 * to go to; `onTarget` is told when it is there.
 * @param {{ label: string, lines: Line[], me: string | null | undefined, more?: boolean, onMore?: () => Promise<void>,
 *           fresh?: string | null, empty?: unknown, place?: string, nameMenu?: (name: string) => unknown,
 *           target?: string | null, onTarget?: () => void }} props
 */
export function Lines({ label, lines, me, more = false, onMore, fresh = null, empty, place = "", nameMenu, target = null, onTarget }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const was = useRef({ place: "", first: "", height: 0, atEnd: true });
  const [busy, setBusy] = useState(false);
  const [away, setAway] = useState(false);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const before = was.current;
    const first = lines[0]?.key ?? "";
    if (before.place !== place || before.atEnd) element.scrollTop = element.scrollHeight;
    else if (before.first !== first && before.first) element.scrollTop += element.scrollHeight - before.height;
    was.current = { place, first, height: element.scrollHeight, atEnd: atEnd(element) };
  }, [lines, place]);

  const [pointed, setPointed] = useState(/** @type {string | null} */ (null));
  useLayoutEffect(() => {
    const row = /** @type {HTMLElement | null} */ (target === null ? null : box.current?.querySelector(`[data-id="${CSS.escape(target)}"]`));
    if (!box.current || !row) return;
    row.scrollIntoView({ block: "center" });
    was.current = { ...was.current, height: box.current.scrollHeight, atEnd: atEnd(box.current) };
    setAway(!was.current.atEnd);
    setPointed(target);
    onTarget?.();
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
  }, [lines, target]);

  const scrolled = () => {
    if (!box.current) return;
    was.current.atEnd = atEnd(box.current);
    setAway(!was.current.atEnd);
  };
  const older = async () => {
    setBusy(true);
    try {
      await onMore?.();
    } catch (error) {
      report(error);
    }
    setBusy(false);
  };
  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };

  let before = /** @type {Line | null} */ (null);
  const rows = lines.map((line) => {
    const today = day(line.at);
    const newDay = today !== (before ? day(before.at) : "") && today !== "";
    const same =
      !newDay && line.key !== fresh && before?.own === line.own && before?.username === line.username && before?.room === line.room && near(before, line);
    before = line;
    return html`
      <${Fragment} key=${line.key}>
        ${newDay && html`<li class="talk-day"><span>${today}</span></li>`}
        ${line.key === fresh && html`<li class="talk-fresh"><span>${t("talk.new")}</span></li>`}
        <${OneLine} line=${line} same=${same} me=${me} nameMenu=${nameMenu} pointed=${line.key === pointed} />
      <//>
    `;
  });

  return html`
    <div class="talk-lines">
      <div class="talk-scroll" ref=${box} onScroll=${scrolled} tabindex="0" role="group" aria-label=${t("talk.lines")}>
        ${more &&
        html`<div class="talk-more">
          <${Button} kind="ghost" busy=${busy} onClick=${older}>${t("talk.older")}<//>
        </div>`}
        ${lines.length === 0 && empty}
        <div role="log" aria-live="polite" aria-relevant="additions" aria-label=${label}>
          <ol>
            ${rows}
          </ol>
        </div>
      </div>
      ${away &&
      html`<div class="talk-toend"><${IconButton} icon="bottom" label=${t("talk.toEnd")} onClick=${toEnd} /></div>`}
    </div>
  `;
}

/** @param {HTMLElement} element */
function atEnd(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight < 32;
}

/** @param {Line} one @param {Line} other */
function near(one, other) {
  if (!one.at || !other.at) return false;
  return Math.abs(Date.parse(other.at) - Date.parse(one.at)) < 5 * 60_000;
}

/** @param {{ line: Line, same: boolean, me: string | null | undefined, pointed: boolean, nameMenu?: (name: string) => unknown }} props */
function OneLine({ line, same, me, pointed, nameMenu }) {
  // Who we are may become known after what we said.
  const who = line.own ? me || line.username : line.username;
  const acted = line.text.startsWith("/me ");
  const called = !line.own && mentions(line.text, me);
  const classes = ["talk-line", same && "same", line.own && "own", called && "called", acted && "acted", pointed && "pointed"];
  return html`
    <li class=${classes.filter(Boolean).join(" ")} data-id=${line.key} tabindex=${pointed ? "-1" : undefined}>
      <time datetime=${line.at ?? ""} title=${line.at ? whole.format(new Date(line.at)) : ""}>
        ${line.at ? hour.format(new Date(line.at)) : ""}
      </time>
      <span class="talk-who">
        <span class=${same ? "visually-hidden" : ""}>${nameMenu ? nameMenu(who) : who}</span>
        ${line.room && !same && html`<a class="talk-room" href=${"#/rooms/" + encodeURIComponent(line.room)}>${line.room}</a>`}
      </span>
      <span class="talk-text" dir="auto">${withLinks(acted ? line.text.slice(4) : line.text)}</span>
    </li>
  `;
}

/**
 * What is being written in a place: the text in its box, and the lines that are on their way.
 * @typedef {object} Draft
 * @property {import("../lib/store.js").Store<string>} text
 * @property {string[]} leaving in the order in which they were said; the first of them is being sent
 * @property {import("../lib/store.js").Store<boolean>} sending
 */

/** What was begun to be written, by place; it is still there when one comes back. */
const drafts = /** @type {Map<string, Draft>} */ (new Map());

/** @param {string} place @returns {Draft} */
function draftOf(place) {
  const draft = drafts.get(place) ?? { text: store(""), leaving: [], sending: store(false) };
  drafts.set(place, draft);
  return draft;
}

/**
 * Sends what leaves, one line after the other. What cannot be sent comes back into the box, before what was typed since.
 * @param {Draft} draft
 * @param {(text: string) => Promise<unknown>} send
 */
async function dispatch({ text, leaving, sending }, send) {
  if (sending.get()) return;
  sending.set(true);
  try {
    for (; leaving.length > 0; leaving.shift()) await send(leaving[0]);
  } catch (error) {
    text.set((typed) => [...leaving.splice(0), typed].filter(Boolean).join(" "));
    report(error);
  }
  sending.set(false);
}

/**
 * The box to write in. Enter sends; Tab completes a name that was begun. It takes the focus when its place is opened,
 * but on a phone, where the keyboard would cover what was said.
 * @param {{ label: string, send: (text: string) => Promise<unknown>, names?: string[], place: string }} props
 */
export function Composer({ label, send, names = [], place }) {
  const bar = barred();
  const draft = draftOf(place);
  const text = useStore(draft.text);
  const sending = useStore(draft.sending);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const narrow = useNarrow();
  useEffect(() => {
    if (!narrow) box.current?.focus();
  }, [place]);

  /** @param {string} value */
  const change = (value) => {
    // A message is one line on the network.
    draft.text.set(value.replace(/\s*\n\s*/g, " "));
  };
  const submit = () => {
    const line = text.trim();
    if (!line || bar) return;
    draft.leaving.push(line);
    draft.text.set("");
    dispatch(draft, send);
    box.current?.focus();
  };
  /** @param {KeyboardEvent} event */
  const keys = (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      submit();
      return;
    }
    if (event.key !== "Tab" || event.shiftKey || !box.current) return;
    const completed = complete(text, box.current.selectionStart, names);
    if (completed === null) return;
    event.preventDefault();
    change(completed);
  };

  return html`
    <form
      class="talk-write"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref=${box}
        rows="1"
        maxlength="2048"
        aria-label=${label}
        placeholder=${bar && narrow ? t("rights.short") : bar ?? label}
        value=${text}
        disabled=${Boolean(bar)}
        title=${bar}
        onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => change(event.currentTarget.value)}
        onKeyDown=${keys}
      ></textarea>
      <${Button} kind="primary" type="submit" changes disabled=${!text.trim()} aria-busy=${sending || undefined} title=${t("talk.send")}>
        ${sending ? html`<span class="spinner" aria-hidden="true"></span>` : html`<${Icon} name="send" />`}<span class="talk-send">${t("talk.send")}</span>
      <//>
    </form>
  `;
}

/**
 * The text with the word before the caret completed to a name; null if no single continuation is known.
 * @param {string} text
 * @param {number} caret
 * @param {string[]} names
 */
export function complete(text, caret, names) {
  const begin = text.lastIndexOf(" ", caret - 1) + 1;
  const word = text.slice(begin, caret).toLowerCase();
  if (!word || (caret < text.length && text[caret] !== " ")) return null;
  const fitting = names.filter((name) => name.toLowerCase().startsWith(word));
  if (fitting.length === 0) return null;
  let common = fitting[0];
  for (const name of fitting) {
    while (!name.toLowerCase().startsWith(common.toLowerCase())) common = common.slice(0, -1);
  }
  if (common.length <= word.length && fitting.length > 1) return null;
  const ending = fitting.length > 1 ? "" : begin === 0 ? ": " : " ";
  return text.slice(0, begin) + common + ending + text.slice(caret).trimStart();
}
