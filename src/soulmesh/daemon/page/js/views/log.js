// The log as it is written, what happened, and what hooks were not told yet.

import { api } from "../lib/api.js";
import { Dialog } from "../lib/dialog.js";
import { listen, useEvents } from "../lib/events.js";
import { clock, count, moment } from "../lib/format.js";
import { useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { keptUp } from "../lib/pushed.js";
import { setQuery } from "../lib/route.js";
import { t } from "../lib/texts.js";
import { Badge, Empty, IconButton, Loading, Page, Switch, Tabs, Trouble, html, useEffect, useMemo, useRef, useState } from "../lib/ui.js";

export const name = "log";
export const title = "nav.log";
export const icon = "log";
export const place = "more";

/** @typedef {{ timestamp: string, context: string, subContext?: string, level: string, message: string, number: number }} Entry */

/** @type {{ id: string, rank: number, tone: "plain" | "good" | "warn" | "bad" | "accent" }[]} */
const LEVELS = [
  { id: "Debug", rank: 0, tone: "plain" },
  { id: "Information", rank: 1, tone: "plain" },
  { id: "Warning", rank: 2, tone: "warn" },
  { id: "Error", rank: 3, tone: "bad" },
  { id: "Fatal", rank: 4, tone: "bad" },
];

/** @param {string} level */
const levelOf = (level) => LEVELS.find(({ id }) => id === level) ?? LEVELS[1];

/** @param {string} level */
function levelName(level) {
  if (level === "Debug") return t("log.debug");
  if (level === "Warning") return t("log.warning");
  if (level === "Error") return t("log.error");
  return level === "Fatal" ? t("log.fatal") : t("log.information");
}

/** @param {{ query: URLSearchParams }} props */
export function View({ query }) {
  const show = query.get("show") ?? "lines";
  const tabs = [
    { id: "lines", title: t("log.lines") },
    { id: "now", title: t("log.now") },
    { id: "kept", title: t("log.kept") },
    { id: "hooks", title: t("log.hooks") },
  ];
  return html`
    <${Page} title=${t("nav.log")} fill>
      <${Tabs} label=${t("nav.log")} items=${tabs} value=${show} onChange=${(/** @type {string} */ id) => setQuery({ show: id })} />
      ${show === "now" ? html`<${Happening} />` : show === "kept" ? html`<${KeptEvents} />` : show === "hooks" ? html`<${Hooks} />` : html`<${LogLines} />`}
    <//>
  `;
}

/** Rows on a phone: two lines of what happened, and one beside it. */
const TALL = 68;

/** @typedef {{ title: string, text: string }} Shown */

/** All of a line, which a list may have cut. @param {{ shown: Shown | null, close: () => void }} props */
function Whole({ shown, close }) {
  return shown && html`<${Dialog} wide title=${shown.title} onClose=${close}><p class="mono whole-line" dir="auto">${shown.text}</p><//>`;
}

// -- lines of the log

const MOST = 5000;

function LogLines() {
  const [lines, setLines] = useState(/** @type {Entry[]} */ ([]));
  const [least, setLeast] = useState("Debug");
  const [words, setWords] = useState("");
  const [live, setLive] = useState(true);
  const [shown, setShown] = useState(/** @type {Shown | null} */ (null));
  const list = useMemo(() => keptUp(/** @param {(lines: Entry[]) => Entry[]} change */ (change) => setLines(change)), []);
  // Set as soon as it is here: a line that is told after that is added to it.
  const { data, error, loading, reload } = useLoad((signal) => list.ask(() => everyLine(signal)).then((found) => {
    if (found) setLines(found);
    return true;
  }), []);
  useEvents(["log.line"], ({ kind, data: line }) => {
    if (kind === "missed") reload();
    // A line that an answer had already is not told twice.
    else if (live) list.tell((known) => (known.length && line.number <= known[known.length - 1].number ? known : [...known.slice(1 - MOST), line]));
  });
  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    const rank = levelOf(least).rank;
    return lines.filter((line) => levelOf(line.level).rank >= rank && (!wanted || `${part(line)} ${line.message}`.toLowerCase().includes(wanted)));
  }, [lines, least, words]);
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("log.loading")} />`;
  return html`
    <div class="talk-bar">
      <label class="grow">
        <span class="visually-hidden">${t("log.find")}</span>
        <input type="search" placeholder=${t("log.find")} value=${words} onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)} />
      </label>
      <label>
        <span class="visually-hidden">${t("log.least")}</span>
        <select value=${least} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => setLeast(event.currentTarget.value)}>
          ${LEVELS.map(({ id }) => html`<option key=${id} value=${id} selected=${id === least}>${t("log.from", { level: levelName(id) })}</option>`)}
        </select>
      </label>
      <${Switch} label=${t("log.live")} checked=${live} onChange=${(/** @type {boolean} */ on) => { setLive(on); if (on) reload(); }} />
    </div>
    <${List}
      label=${t("log.lines")}
      rows=${rows}
      idOf=${(/** @type {Entry} */ line) => String(line.number)}
      columns=${[
        { id: "at", title: t("log.at"), width: "6rem", cell: (/** @type {Entry} */ line) => html`<span class="num muted" title=${line.timestamp}>${clock(line.timestamp)}</span>` },
        { id: "level", title: t("log.level"), width: "7.5rem", cell: (/** @type {Entry} */ line) => html`<${Badge} tone=${levelOf(line.level).tone}>${levelName(line.level)}<//>` },
        { id: "part", title: t("log.part"), width: "9rem", cell: (/** @type {Entry} */ line) => html`<span class="muted">${part(line)}</span>` },
        { id: "message", title: t("log.message"), width: "1fr", cell: (/** @type {Entry} */ line) => html`<span class="mono" dir="auto" title=${line.message}>${line.message}</span>` },
      ]}
      narrow=${(/** @type {Entry} */ line) => html`
        <div class="two" onClick=${() => setShown({ title: part(line), text: line.message })}><div class="lines small mono" dir="auto">${line.message}</div>
        <div class="row small muted"><span class="num">${clock(line.timestamp)}</span><${Badge} tone=${levelOf(line.level).tone}>${levelName(line.level)}<//><span class="clip">${part(line)}</span></div></div>
      `}
      narrowHeight=${TALL}
      onOpen=${(/** @type {Entry} */ line) => setShown({ title: part(line), text: line.message })}
      stick="end"
      empty=${html`<${Empty} icon="log" title=${words || least !== "Debug" ? t("log.noneFound") : t("log.none")} text=${words || least !== "Debug" ? "" : t("log.noneText")} />`}
    />
    <${Whole} shown=${shown} close=${() => setShown(null)} />
  `;
}

/** Every line that the daemon still has. @param {AbortSignal} signal */
async function everyLine(signal) {
  /** @type {Entry[]} */
  const lines = [];
  let cursor;
  for (;;) {
    const page = await api.get("logs", { cursor, limit: 1000 }, { signal });
    lines.push(...page.items);
    if (!page.next) return lines;
    cursor = page.next;
  }
}

/** @param {Entry} line */
const part = (line) => (line.subContext ? `${line.context}.${line.subContext}` : line.context);

// -- events as they come, for whoever wants to see what the stream tells

/** @typedef {{ number: number, at: string, kind: string, text: string }} Happened */

function Happening() {
  const [events, setEvents] = useState(/** @type {Happened[]} */ ([]));
  const [progress, setProgress] = useState(false);
  const [shown, setShown] = useState(/** @type {Shown | null} */ (null));
  const wanted = useRef(progress);
  wanted.current = progress;
  useEffect(() => {
    let number = 0;
    const topics = ["transfer", "search", "room", "chat", "wish", "goal", "user", "link", "tree", "browse", "share", "settings", "other"];
    return listen(topics, ({ kind, data }) => {
      if (!wanted.current && /progress/i.test(kind)) return;
      number += 1;
      const event = { number, at: new Date().toISOString(), kind, text: JSON.stringify(data) };
      setEvents((known) => [...known.slice(1 - MOST), event]);
    });
  }, []);
  return html`
    <div class="talk-bar">
      <span class="muted small grow">${t("log.nowText")}</span>
      <${Switch} label=${t("log.progress")} checked=${progress} onChange=${setProgress} />
      <${IconButton} icon="trash" label=${t("log.clear")} disabled=${events.length === 0} onClick=${() => setEvents([])} />
    </div>
    <${List}
      label=${t("log.now")}
      rows=${events}
      idOf=${(/** @type {Happened} */ event) => String(event.number)}
      columns=${[
        { id: "at", title: t("log.at"), width: "6rem", cell: (/** @type {Happened} */ event) => html`<span class="num muted">${clock(event.at)}</span>` },
        { id: "kind", title: t("log.kind"), width: "15rem", cell: (/** @type {Happened} */ event) => html`<b>${event.kind}</b>` },
        { id: "text", title: t("log.what"), width: "1fr", cell: (/** @type {Happened} */ event) => html`<span class="mono muted" title=${event.text}>${event.text}</span>` },
      ]}
      narrow=${(/** @type {Happened} */ event) => html`
        <div class="two" onClick=${() => setShown({ title: event.kind, text: event.text })}><div class="row small"><span class="num muted">${clock(event.at)}</span><b class="clip">${event.kind}</b></div>
        <div class="lines small muted mono">${event.text}</div></div>
      `}
      narrowHeight=${TALL}
      onOpen=${(/** @type {Happened} */ event) => setShown({ title: event.kind, text: event.text })}
      stick="end"
      empty=${html`<${Empty} icon="pulse" title=${t("log.quiet")} text=${t("log.quietText")} />`}
    />
    <${Whole} shown=${shown} close=${() => setShown(null)} />
  `;
}

// -- events that are kept, and told to hooks

/** @typedef {{ id: string, timestamp: string, type: string, data: string }} Kept */

/** What it was about, in a line. @param {Kept} event */
function gist(event) {
  const { message, transfer, localDirectoryName, username } = JSON.parse(event.data);
  if (message?.message) return `${message.roomName ? `${message.roomName} · ` : ""}${message.username}: ${message.message}`;
  if (transfer) return `${transfer.username} · ${transfer.filename}`;
  if (localDirectoryName) return `${username} · ${localDirectoryName}`;
  return typeof message === "string" ? message : "";
}

function KeptEvents() {
  const { data, error, loading, reload } = useLoad((signal) => api.all("log/events", {}, { signal, most: 2000 }), []);
  useEvents(["transfer.DownloadFinished", "transfer.UploadFinished", "chat.message", "link"], reload);
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("log.loading")} />`;
  return html`
    <${List}
      label=${t("log.kept")}
      rows=${data ?? []}
      idOf=${(/** @type {Kept} */ event) => event.id}
      columns=${[
        { id: "at", title: t("log.at"), width: "9rem", cell: (/** @type {Kept} */ event) => html`<span class="num muted">${moment(event.timestamp)}</span>` },
        { id: "kind", title: t("log.kind"), width: "15rem", cell: (/** @type {Kept} */ event) => html`<b>${event.type}</b>` },
        { id: "text", title: t("log.what"), width: "1fr", cell: (/** @type {Kept} */ event) => html`<span dir="auto" title=${event.data}>${gist(event)}</span>` },
      ]}
      narrow=${(/** @type {Kept} */ event) => html`
        <div class="two"><div class="row small"><span class="num muted">${moment(event.timestamp)}</span><b class="clip">${event.type}</b></div>
        <div class="clip small muted" dir="auto">${gist(event)}</div></div>
      `}
      empty=${html`<${Empty} icon="log" title=${t("log.noneKept")} text=${t("log.noneKeptText")} />`}
    />
  `;
}

/** @typedef {{ event: string, kind: string, hook: string, attempts: number, due: number, problem: string | null }} Delivery */

function Hooks() {
  const { data, error, loading, reload } = useLoad((signal) => api.get("deliveries", { limit: 1000 }, { signal }), []);
  useEvents(["transfer.DownloadFinished", "transfer.UploadFinished", "chat.message", "link"], reload);
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("log.loading")} />`;
  const rows = /** @type {Delivery[]} */ (data.items);
  /** @param {Delivery} item */
  const due = (item) => moment(new Date(item.due * 1000).toISOString());
  return html`
    <div class="talk-bar">
      <span class="muted small grow">${t("log.hooksText")}</span>
      <${Badge} tone="good">${t("log.delivered", { count: data.delivered })}<//>
      <${Badge} tone=${data.failed ? "bad" : "plain"}>${t("log.failed", { count: data.failed })}<//>
      <${IconButton} icon="again" label=${t("log.reload")} onClick=${reload} />
    </div>
    <${List}
      label=${t("log.hooks")}
      rows=${rows}
      idOf=${(/** @type {Delivery} */ item) => `${item.event} ${item.hook}`}
      columns=${[
        { id: "hook", title: t("log.hook"), width: "10rem", cell: (/** @type {Delivery} */ item) => html`<b>${item.hook}</b>` },
        { id: "kind", title: t("log.kind"), width: "13rem", cell: (/** @type {Delivery} */ item) => item.kind },
        { id: "attempts", title: t("log.attempts"), width: "6rem", end: true, cell: (/** @type {Delivery} */ item) => count(item.attempts) },
        { id: "due", title: t("log.due"), width: "8rem", cell: (/** @type {Delivery} */ item) => html`<span class="num">${due(item)}</span>` },
        { id: "problem", title: t("log.problem"), width: "1fr", cell: (/** @type {Delivery} */ item) => html`<span class="muted" title=${item.problem}>${item.problem}</span>` },
      ]}
      narrow=${(/** @type {Delivery} */ item) => html`
        <div class="two"><div class="row small"><b class="clip">${item.hook}</b><span class="muted clip">${item.kind}</span></div>
        <div class="clip small muted">${item.problem}</div></div>
      `}
      empty=${html`<${Empty} icon="check" title=${t("log.nothingWaits")} text=${t("log.nothingWaitsText")} />`}
    />
  `;
}
