// Private conversations: with whom, what is unread, and what was said.

import { api, p } from "../lib/api.js";
import { ask, askText } from "../lib/dialog.js";
import { listen, useEvents } from "../lib/events.js";
import { count, moment } from "../lib/format.js";
import { useAction, useLoad, useNarrow } from "../lib/hooks.js";
import { Person } from "../lib/person.js";
import { go, href } from "../lib/route.js";
import { useStatus } from "../lib/status.js";
import { store, useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { Badge, Button, Empty, Icon, IconButton, Loading, Menu, Page, Trouble, html, useEffect, useMemo, useRef, useState } from "../lib/ui.js";
import { Composer, Lines } from "../parts/talk.js";

export const name = "chat";
export const title = "nav.chat";
export const icon = "chat";
export const place = "main";

/** @typedef {import("../parts/talk.js").Line} Line */

/**
 * A conversation with somebody.
 * @typedef {object} Conversation
 * @property {string} username
 * @property {boolean} active false once it was hidden
 * @property {number} unread
 * @property {string | null} last when the last line was said
 * @property {string | null} text the last line
 */

/** All conversations; null until they were asked for. */
const conversations = store(/** @type {Conversation[] | null} */ (null));
/** With whom the conversation on the screen is: what comes there is read at once. */
let shown = "";
let following = false;

/** How many events have changed the list: an answer that was on its way meanwhile may be older than they are. */
let changes = 0;

async function load() {
  for (let tries = 0; tries < 5; tries += 1) {
    const before = changes;
    conversations.set((await api.get("conversations")).items);
    if (before === changes) return;
  }
}

/** @param {string} username @param {(found: Conversation) => Conversation} change */
function changed(username, change) {
  conversations.set((known) => {
    if (known === null) return known;
    const fresh = { username, active: true, unread: 0, last: null, text: null };
    const found = known.find((conversation) => conversation.username === username) ?? fresh;
    return [change(found), ...known.filter((conversation) => conversation !== found)];
  });
}

function follow() {
  if (following) return;
  following = true;
  load().catch(() => (following = false));
  listen(["chat"], ({ kind, data }) => {
    changes += 1;
    if (kind === "missed") {
      load().catch(() => undefined);
    } else if (kind === "chat.message") {
      const seen = data.ours || data.username === shown;
      changed(data.username, ({ unread }) => ({
        username: data.username,
        active: true,
        unread: seen ? 0 : unread + 1,
        last: data.at,
        text: data.text,
      }));
    } else if (kind === "chat.read") {
      conversations.set((known) => known && known.map((found) => (found.username === data.username ? { ...found, unread: 0 } : found)));
    }
  });
}

/** Unread messages in all conversations. */
export function useBadge() {
  useEffect(follow, []);
  return useStore(conversations, (known) => (known ?? []).reduce((sum, found) => sum + found.unread, 0));
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
  return html`<${Button} icon="plus" kind=${primary ? "primary" : "plain"} onClick=${begin}>${t("chat.new")}<//>`;
}

/** @param {{ user: string }} props */
function Sidebar({ user }) {
  const known = useStore(conversations);
  const [words, setWords] = useState("");
  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return (known ?? [])
      .filter((found) => (found.active || found.unread > 0 || found.username === user) && found.username.toLowerCase().includes(wanted))
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
      ${known === null && html`<${Loading} label=${t("chat.loading")} />`}
      ${known !== null &&
      rows.length === 0 &&
      html`<p class="muted small talk-none">${words ? t("chat.noneFound") : t("chat.none")}</p>`}
      <ul>
        ${rows.map(
          (found) => html`
            <li key=${found.username}>
              <a
                href=${href("chat", found.username)}
                class=${found.unread ? "twoline fresh" : "twoline"}
                aria-current=${found.username === user ? "page" : undefined}
                data-id=${found.username}
              >
                <span class="row">
                  <b class="grow clip">${found.username}</b>
                  <span class="muted small num">${found.last ? moment(found.last) : ""}</span>
                </span>
                <span class="row">
                  <span class="grow clip small muted" dir="auto">${found.text ?? ""}</span>
                  ${found.unread > 0 && html`<span class="unread" aria-label=${t("chat.unread", { count: found.unread })}>${count(found.unread)}</span>`}
                </span>
              </a>
            </li>
          `,
        )}
      </ul>
    </nav>
  `;
}

/** @param {any} said @param {string | null | undefined} me @returns {Line} */
function asLine(said, me) {
  return {
    key: String(said.id),
    at: said.at,
    username: said.ours ? (me ?? "") : said.username,
    text: said.text,
    own: said.ours,
  };
}

let liveSoFar = 0;

/** @param {{ user: string, narrow: boolean }} props */
function Conversing({ user, narrow }) {
  const me = useStatus()?.username;
  const [lines, setLines] = useState(/** @type {Line[]} */ ([]));
  const [before, setBefore] = useState(/** @type {unknown} */ (null));
  const [fresh, setFresh] = useState(/** @type {string | null} */ (null));
  const unread = useRef(conversations.get()?.find((found) => found.username === user)?.unread ?? 0);
  const path = p`conversations/${user}`;
  const history = useLoad(async (signal) => {
    const known = () => conversations.get()?.some((found) => found.username === user);
    // The list may be older than what was said just now.
    if (!known()) await load();
    // Where nothing was said yet, there is nothing to ask for.
    if (!known()) return { items: [], before: null };
    return api.get(`${path}/messages`, { limit: 100 }, { signal });
  }, [user]);
  const about = useLoad((signal) => api.get(p`users/${user}`, {}, { signal }), [user]);

  useEffect(() => {
    if (!history.data) return;
    const found = history.data.items.map((/** @type {any} */ said) => asLine(said, me));
    setLines(found);
    setBefore(history.data.before);
    const first = unread.current > 0 ? found[Math.max(0, found.length - unread.current)] : undefined;
    setFresh(first?.key ?? null);
  }, [history.data, me]);

  const read = () => {
    if (document.visibilityState !== "visible") return;
    api.put(`${path}/read`).catch(() => undefined);
  };
  useEffect(() => {
    shown = user;
    if (unread.current > 0) read();
    return () => {
      shown = "";
    };
  }, [user]);

  useEvents(["chat", "user"], ({ kind, data }) => {
    if (kind === "missed") history.reload();
    else if (data.username !== user) return;
    else if (kind === "chat.message") {
      liveSoFar += 1;
      setLines((known) => [...known, { ...asLine(data, me), key: `live-${liveSoFar}` }]);
      if (!data.ours) read();
    } else if (kind === "user.UserStatusChanged" || kind === "user.opinion") about.reload();
  });

  const older = async () => {
    const page = await api.get(`${path}/messages`, { before, limit: 100 });
    setLines((known) => [...page.items.map((/** @type {any} */ said) => asLine(said, me)), ...known]);
    setBefore(page.before);
  };

  const found = about.data;
  return html`
    <section class="talk-place" aria-label=${user}>
      <${Head} user=${user} found=${found} narrow=${narrow} />
      ${found?.note && html`<p class="talk-note small"><${Icon} name="note" label=${t("chat.note")} /> <span dir="auto">${found.note}</span></p>`}
      <div class="talk-body">
        <div class="talk-said">
          ${history.error && !history.data
            ? html`<${Trouble} error=${history.error} retry=${history.reload} />`
            : html`
                <${Lines}
                  label=${t("chat.said", { user })}
                  place=${user}
                  lines=${lines}
                  me=${me}
                  fresh=${fresh}
                  more=${before !== null && before !== undefined}
                  onMore=${older}
                  empty=${history.data && html`<${Empty} icon="chat" title=${t("chat.silent")} text=${t("chat.silentText")} />`}
                />
              `}
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

/** @param {{ user: string, found: any, narrow: boolean }} props */
function Head({ user, found, narrow }) {
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
    { title: found?.banned ? t("chat.unban") : t("chat.ban"), icon: "ban", danger: !found?.banned, run: ban },
    { title: t("chat.hide"), icon: "close", run: hide },
  ];
  return html`
    <header class="talk-title">
      ${narrow && html`<a class="icon-link" href=${href("chat")} aria-label=${t("chat.back")}><${Icon} name="back" /></a>`}
      <h2 class="clip"><${Person} name=${user} presence=${found?.presence} /></h2>
      ${found?.privileged && html`<${Badge} tone="accent">${t("chat.privileged")}<//>`}
      ${found?.friend && html`<${Badge} tone="good">${t("chat.friend")}<//>`}
      ${found?.banned && html`<${Badge} tone="bad">${t("chat.banned")}<//>`}
      <span class="grow"></span>
      <${IconButton} icon="browse" label=${t("chat.browse", { user })} onClick=${() => go("browse", user)} />
      <${Menu} label=${t("chat.actions", { user })} icon="more" items=${items} />
    </header>
  `;
}
