// Private conversations: with whom, what is unread, and what was said.

import { api, p } from "../lib/api.js";
import { ask, askText } from "../lib/dialog.js";
import { listen, useEvents } from "../lib/events.js";
import { count, moment } from "../lib/format.js";
import { useAction, useLoad, useNarrow } from "../lib/hooks.js";
import { Person } from "../lib/person.js";
import { go, href } from "../lib/route.js";
import { mayChange } from "../lib/rights.js";
import { useStatus } from "../lib/status.js";
import { store, useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { report } from "../lib/toast.js";
import { NOTHING, answered as counted, heard, marked, unread } from "../lib/unread.js";
import { Badge, Button, Empty, Icon, IconButton, Loading, Menu, Page, Trouble, html, useEffect, useMemo, useState } from "../lib/ui.js";
import { Finder } from "../parts/find.js";
import { useSaid } from "../parts/said.js";
import { Composer, Lines } from "../parts/talk.js";

export const name = "chat";
export const title = "nav.chat";
export const icon = "chat";
export const place = "main";

/**
 * A conversation with somebody.
 * @typedef {object} Conversation
 * @property {string} username
 * @property {boolean} active false once it was hidden
 * @property {import("../lib/unread.js").Mark} mark how much is unread
 * @property {number} newest the number of the last line
 * @property {string | null} last when the last line was said
 * @property {string | null} text the last line
 */

/** All conversations that we know of, from the list and from what was told. */
const conversations = store(/** @type {Conversation[]} */ ([]));
/** How much is unread by name, also in conversations that the list does not know yet. @type {Map<string, import("../lib/unread.js").Mark>} */
const marks = new Map();
/** Whether the list was answered. */
const listed = store(false);
/** With whom the conversation on the screen is: what comes there is read at once. */
let shown = "";
let following = false;

/** @param {Conversation[]} known @param {string} username */
const named = (known, username) => known.find((found) => found.username === username);

/** @typedef {import("../lib/unread.js").Mark} Mark */

/** Changes what is known to be unread. @param {string} username @param {(was: Mark) => Mark} change */
function reckon(username, change) {
  const now = change(marks.get(username) ?? NOTHING);
  marks.set(username, now);
  return now;
}

let asked = 0;
let answered = 0;

async function load() {
  const number = (asked += 1);
  const items = await api.all("conversations");
  if (number < answered) return;
  answered = number;
  conversations.set((known) => {
    /** @type {Conversation[]} */
    const here = items.map((item) => {
      const old = named(known, item.username);
      const mark = reckon(item.username, (was) => counted(was, item.unread, item.last_id));
      // What was heard meanwhile is newer than the answer.
      if (old && old.newest > item.last_id) return { ...old, mark };
      return { username: item.username, active: item.active, last: item.last, text: item.text, newest: item.last_id, mark };
    });
    // One that began while the answer was on its way is not in it.
    return [...here, ...known.filter((old) => !named(here, old.username))];
  });
}

/** @param {any} said as an event tells it */
function hear({ username, id, at, text, ours }) {
  const seen = username === shown && document.visibilityState === "visible";
  conversations.set((known) => {
    const old = named(known, username) ?? { username, active: true, last: null, text: null, newest: 0, mark: NOTHING };
    const mark = reckon(username, (was) => (ours ? was : seen ? marked(was, id) : heard(was, id)));
    const newer = id > old.newest ? { last: at, text, newest: id } : {};
    return [{ ...old, ...newer, active: true, mark }, ...known.filter((found) => found.username !== username)];
  });
}

function follow() {
  if (following) return;
  following = true;
  load().then(
    () => listed.set(true),
    () => (following = false),
  );
}

listen(["chat"], ({ kind, data }) => {
  if (kind === "missed") {
    if (following) load().catch(() => undefined);
  } else if (kind === "chat.message") hear(data);
  else if (kind === "chat.read") {
    const mark = reckon(data.username, (was) => marked(was, data.id));
    conversations.set((known) => known.map((found) => (found.username === data.username ? { ...found, mark } : found)));
  }
});

/** Unread messages in all conversations. */
export function useBadge() {
  useEffect(follow, []);
  return useStore(conversations, (known) => known.reduce((sum, found) => sum + unread(found.mark), 0));
}

/** @param {{ rest: string[] }} props */
export function View({ rest }) {
  const narrow = useNarrow();
  useEffect(follow, []);
  const user = rest[0] ?? "";
  return html`
    <${Page} title=${t("nav.chat")} fill actions=${(!narrow || !user) && html`<${NewChat} />`}>
      <div class="talk">
        ${(!narrow || !user) && html`<${Sidebar} user=${user} />`}
        ${user
          ? html`<div class="talk-main"><${Conversing} key=${user} user=${user} narrow=${narrow} /></div>`
          : !narrow && html`<div class="talk-main"><${Nobody} /></div>`}
      </div>
    <//>
  `;
}

function Nobody() {
  return html`
    <${Empty} icon="chat" title=${t("chat.nobody")} text=${t("chat.nobodyText")}><${NewChat} primary /><//>
  `;
}

/** @param {{ primary?: boolean }} props */
function NewChat({ primary = false }) {
  const begin = async () => {
    const user = await askText({ title: t("chat.new"), label: t("chat.user"), value: "", action: t("chat.open") });
    if (user?.trim()) go("chat", user.trim());
  };
  return html`<${Button} changes icon="plus" kind=${primary ? "primary" : "plain"} onClick=${begin}>${t("chat.new")}<//>`;
}

/** @param {{ user: string }} props */
function Sidebar({ user }) {
  const known = useStore(conversations);
  const ready = useStore(listed);
  const [words, setWords] = useState("");
  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return known
      .filter((found) => (found.active || unread(found.mark) > 0 || found.username === user) && found.username.toLowerCase().includes(wanted))
      .sort((one, other) => (other.last ?? "").localeCompare(one.last ?? ""));
  }, [known, words, user]);
  return html`
    <nav class="talk-side chats" aria-label=${t("chat.conversations")}>
      <label>
        <span class="visually-hidden">${t("chat.find")}</span>
        <input
          type="search"
          placeholder=${t("chat.find")}
          value=${words}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
        />
      </label>
      ${!ready && rows.length === 0 && html`<${Loading} label=${t("chat.loading")} />`}
      ${ready &&
      rows.length === 0 &&
      html`<p class="muted small talk-none">${words ? t("chat.noneFound") : t("chat.none")}</p>`}
      <ul>
        ${rows.map(
          (found) => html`
            <li key=${found.username}>
              <a
                href=${href("chat", found.username)}
                class=${unread(found.mark) ? "twoline fresh" : "twoline"}
                aria-current=${found.username === user ? "page" : undefined}
                data-id=${found.username}
              >
                <span class="row">
                  <b class="grow clip">${found.username}</b>
                  <span class="muted small num">${found.last ? moment(found.last) : ""}</span>
                </span>
                <span class="row">
                  <span class="grow clip small muted" dir="auto">${found.text ?? ""}</span>
                  ${unread(found.mark) > 0 &&
                  html`<span class="unread" aria-label=${t("chat.unread", { count: unread(found.mark) })}>${count(unread(found.mark))}</span>`}
                </span>
              </a>
            </li>
          `,
        )}
      </ul>
    </nav>
  `;
}

/** @param {{ user: string, narrow: boolean }} props */
function Conversing({ user, narrow }) {
  const me = useStatus()?.username;
  const [finding, setFinding] = useState(false);
  const path = p`conversations/${user}`;
  const said = useSaid({
    path: `${path}/messages`,
    limit: 100,
    kind: "chat.message",
    mine: (data) => data.username === user,
    ask: async (signal) => {
      // Where nothing was said yet there is nothing to ask for; the list may be older than what was said just now.
      if (!named(conversations.get(), user)) await load();
      if (!named(conversations.get(), user)) return { items: [], before: null };
      return api.get(`${path}/messages`, { limit: 100 }, { signal });
    },
    onSeen: async () => (mayChange() ? api.put(`${path}/read`).catch(() => undefined) : undefined),
  });
  const about = useLoad((signal) => api.get(p`users/${user}`, {}, { signal }), [user]);
  useEffect(() => {
    shown = user;
    return () => {
      shown = "";
    };
  }, [user]);
  useEvents(["user.UserStatusChanged", "user.opinion"], ({ kind, data }) => {
    if (kind === "missed" || data.username === user) about.reload();
  });

  const found = about.data;
  const { history } = said;
  const lines = html`
    <${Lines}
      label=${t("chat.said", { user })}
      place=${user}
      lines=${said.lines}
      me=${me}
      fresh=${said.fresh}
      more=${said.more}
      onMore=${said.older}
      target=${said.target}
      onTarget=${said.settle}
      empty=${history.data && html`<${Empty} icon="chat" title=${t("chat.silent")} text=${t("chat.silentText")} />`}
    />
  `;
  const finder = html`
    <${Finder} path=${`${path}/messages`} label=${t("talk.find")} me=${me} onClose=${() => setFinding(false)}
      onGo=${(/** @type {number} */ id) => said.reach(id).then(() => setFinding(false), report)} />
  `;
  return html`
    <section class="talk-place" aria-label=${user}>
      <${Head} user=${user} found=${found} narrow=${narrow} finding=${finding} onFind=${() => setFinding(!finding)} />
      ${found?.note && html`<p class="talk-note small"><${Icon} name="note" label=${t("chat.note")} /> <span dir="auto">${found.note}</span></p>`}
      <div class="talk-body">
        <div class="talk-said">
          ${history.error && !history.data
            ? html`<${Trouble} error=${history.error} retry=${history.reload} />`
            : finding
              ? finder
              : lines}
          ${found?.presence === "Offline" && html`<p class="talk-hint small muted">${t("chat.offline", { user })}</p>`}
          <${Composer}
            label=${t("chat.write", { user })}
            place=${`user ${user}`}
            send=${(/** @type {string} */ text) => api.post(`${path}/messages`, { text })}
          />
        </div>
      </div>
    </section>
  `;
}

/** @param {{ user: string, found: any, narrow: boolean, finding: boolean, onFind: () => void }} props */
function Head({ user, found, narrow, finding, onFind }) {
  const [hide] = useAction(async () => {
    await api.delete(p`conversations/${user}`);
    await load();
    go("chat");
  });
  const [ban] = useAction(async () => {
    const sure = found?.banned || (await ask({ title: t("chat.banTitle", { user }), text: t("chat.banText"), action: t("chat.ban"), danger: true }));
    if (sure) await (found?.banned ? api.delete(p`users/${user}/ban`) : api.put(p`users/${user}/ban`));
  });
  const items = [
    { title: t("chat.profile"), icon: "users", run: () => go("users", user) },
    { title: found?.banned ? t("chat.unban") : t("chat.ban"), icon: "ban", danger: !found?.banned, changes: true, run: ban },
    { title: t("chat.hide"), icon: "close", changes: true, run: hide },
  ];
  return html`
    <header class="talk-title">
      ${narrow && html`<a class="icon-link" href=${href("chat")} aria-label=${t("chat.back")}><${Icon} name="back" /></a>`}
      <h2 class="clip"><${Person} name=${user} presence=${found?.presence} /></h2>
      ${found?.privileged && html`<${Badge} tone="accent">${t("chat.privileged")}<//>`}
      ${found?.friend && html`<${Badge} tone="good">${t("chat.friend")}<//>`}
      ${found?.banned && html`<${Badge} tone="bad">${t("chat.banned")}<//>`}
      <span class="grow"></span>
      <${IconButton} icon="search" label=${t("talk.find")} pressed=${finding} onClick=${onFind} />
      <${IconButton} changes icon="browse" label=${t("chat.browse", { user })} onClick=${() => go("browse", user)} />
      <${Menu} label=${t("chat.actions", { user })} icon="more" items=${items} />
    </header>
  `;
}
