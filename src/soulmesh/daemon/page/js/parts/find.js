// Searching in what was said in one place.

import { api } from "../lib/api.js";
import { moment } from "../lib/format.js";
import { useLoad, useRested } from "../lib/hooks.js";
import { t } from "../lib/texts.js";
import { Empty, IconButton, Loading, Trouble, html, useEffect, useRef, useState } from "../lib/ui.js";
import { asLine } from "./said.js";

/** @typedef {import("./talk.js").Line} Line */

const MOST = 200;

/**
 * The text with the words marked that were searched for.
 * @param {string} text @param {string} words
 */
function marked(text, words) {
  const wanted = words.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!wanted.length) return text;
  return text.split(new RegExp(`(${wanted.join("|")})`, "iu")).map((part, at) => (at % 2 ? html`<mark key=${at}>${part}</mark>` : part));
}

/**
 * A field for words and the lines that have them, newest first.
 * @param {{ path: string, label: string, me: string | null | undefined, onGo: (id: number) => Promise<void>, onClose: () => void }} props
 *   onGo: show a line where it was said
 */
export function Finder({ path, label, me, onGo, onClose }) {
  const [words, setWords] = useState("");
  const rested = useRested(words.trim(), 200);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [busy, setBusy] = useState(false);
  const { data, error, loading, reload } = useLoad(
    (signal) => (rested ? api.get(path, { words: rested, limit: MOST }, { signal }) : Promise.resolve(null)),
    [path, rested],
  );
  useEffect(() => field.current?.focus(), []);
  const lines = /** @type {Line[]} */ ((data?.items ?? []).map(asLine)).reverse();
  /** @param {Line} line */
  const show = async (line) => {
    setBusy(true);
    await onGo(line.id ?? 0);
    setBusy(false);
  };
  return html`
    <section class="talk-find" aria-label=${label} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && (event.stopPropagation(), onClose())}>
      <div class="talk-bar" role="search">
        <input
          ref=${field}
          type="search"
          class="grow"
          aria-label=${label}
          placeholder=${label}
          maxlength="200"
          value=${words}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
        />
        <span class="muted small num" role="status">${data ? data.before === null ? t("talk.found", { count: lines.length }) : t("talk.foundMost", { count: lines.length }) : ""}</span>
        <${IconButton} icon="close" label=${t("talk.findClose")} onClick=${onClose} />
      </div>
      ${error && !data && html`<${Trouble} error=${error} retry=${reload} />`}
      ${rested && loading && !data && html`<${Loading} />`}
      ${!rested && html`<${Empty} icon="search" title=${t("talk.findHint")} text=${t("talk.findHintText")} />`}
      ${data && lines.length === 0 && html`<${Empty} icon="search" title=${t("talk.foundNone")} text=${t("talk.foundNoneText")} />`}
      ${lines.length > 0 &&
      html`
        <ol class="talk-found" tabindex="0" role="list" aria-label=${t("talk.foundLines")} aria-busy=${busy ? "true" : undefined}>
          ${lines.map(
            (line) => html`
              <li key=${line.key} data-id=${line.key}>
                <button type="button" disabled=${busy} title=${t("talk.findGo")} onClick=${() => show(line)}>
                  <span class="row"><b class="clip">${line.own ? me || line.username : line.username}</b><span class="grow"></span>
                    <time class="muted small num" datetime=${line.at ?? ""}>${line.at ? moment(line.at) : ""}</time></span>
                  <span class="talk-text" dir="auto">${marked(line.text, rested)}</span>
                </button>
              </li>
            `,
          )}
        </ol>
      `}
    </section>
  `;
}
