// Users: those we care about, bans by name and address, and everything about one of them.

import { api, p, session } from "../lib/api.js";
import { ask } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { ago, count, size, speed } from "../lib/format.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person } from "../lib/person.js";
import { go, href, setQuery } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import {
  Badge,
  Button,
  Changing,
  Empty,
  Field,
  Icon,
  IconButton,
  Loading,
  Menu,
  Page,
  Tabs,
  Trouble,
  html,
  useEffect,
  useMemo,
  useState,
} from "../lib/ui.js";
import { Addresses } from "../parts/bans.js";
import { GivePrivileges } from "../parts/privileges.js";

export const name = "users";
export const title = "nav.users";
export const icon = "users";
export const place = "more";

/**
 * What we know of somebody. Figures are null until the server told them.
 * @typedef {object} User
 * @property {string} username
 * @property {string} presence
 * @property {boolean} privileged
 * @property {boolean} friend
 * @property {boolean} banned
 * @property {boolean} watched
 * @property {string} note
 * @property {number} downloaded
 * @property {number} uploaded
 * @property {number | null} speed
 * @property {number | null} uploads
 * @property {number | null} files
 * @property {number | null} folders
 * @property {string} country
 * @property {string | null} last_seen
 */

/** @param {{ rest: string[], query: URLSearchParams }} props */
export function View({ rest, query }) {
  return rest[0] ? html`<${UserPage} key=${rest[0]} user=${rest[0]} />` : html`<${Everybody} which=${query.get("which") ?? "all"} />`;
}

// -- lists

const WHICH = ["all", "friends", "watched", "noted", "banned"];

/** @param {{ which: string }} props */
function Everybody({ which }) {
  const tabs = [
    { id: "all", title: t("users.all") },
    { id: "friends", title: t("users.friends") },
    { id: "watched", title: t("users.watched") },
    { id: "noted", title: t("users.noted") },
    { id: "banned", title: t("users.banned") },
    { id: "addresses", title: t("users.addresses") },
  ];
  return html`
    <${Page} title=${t("nav.users")} fill actions=${html`<${LookUp} />`}>
      <${Tabs} label=${t("users.which")} items=${tabs} value=${which} onChange=${(/** @type {string} */ id) => setQuery({ which: id })} />
      ${WHICH.includes(which) ? html`<${UserList} key=${which} which=${which} />` : html`<${Addresses} />`}
    <//>
  `;
}

function LookUp() {
  const [user, setUser] = useState("");
  return html`
    <form
      class="row"
      role="search"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        if (user.trim()) go("users", user.trim());
      }}
    >
      <input
        type="search"
        aria-label=${t("users.lookUp")}
        placeholder=${t("users.lookUp")}
        value=${user}
        onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setUser(event.currentTarget.value)}
      />
      <${Button} type="submit" disabled=${!user.trim()}>${t("users.show")}<//>
    </form>
  `;
}

/** @type {Record<string, (user: User) => string | number>} */
const SORTS = {
  name: (user) => user.username.toLowerCase(),
  files: (user) => user.files ?? -1,
  speed: (user) => user.speed ?? -1,
  downloaded: (user) => user.downloaded,
  uploaded: (user) => user.uploaded,
};

/** @param {{ which: string }} props */
function UserList({ which }) {
  const [words, setWords] = useState("");
  const [sort, setSort] = useState({ by: "name", down: false });
  const { data, error, loading, reload } = useLoad((signal) => api.all("users", { which }, { signal }), [which]);
  useEvents(["user.UserStatusChanged", "user.opinion", "link.LoggedIn"], reload);
  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    const key = SORTS[sort.by] ?? SORTS.name;
    const way = sort.down ? -1 : 1;
    return /** @type {User[]} */ (data ?? [])
      .filter((user) => user.username.toLowerCase().includes(wanted) || user.note.toLowerCase().includes(wanted))
      .sort((one, other) => {
        const [left, right] = [key(one), key(other)];
        return (left < right ? -1 : left > right ? 1 : 0) * way;
      });
  }, [data, words, sort]);

  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("users.loading")} />`;
  const columns = [
    { id: "name", title: t("users.name"), width: "minmax(12rem, 1.2fr)", sort: true, cell: (/** @type {User} */ user) => html`<${NameCell} user=${user} />` },
    { id: "note", title: t("users.note"), width: "minmax(6rem, 1fr)", cell: (/** @type {User} */ user) => html`<span class="muted" dir="auto" title=${user.note}>${user.note}</span>` },
    { id: "files", title: t("users.filesTitle"), width: "6rem", end: true, sort: true, cell: (/** @type {User} */ user) => known(user.files, count) },
    { id: "speed", title: t("users.speed"), width: "7rem", end: true, sort: true, cell: (/** @type {User} */ user) => known(user.speed, speed) },
    { id: "downloaded", title: t("users.fromThem"), width: "6.5rem", end: true, sort: true, cell: (/** @type {User} */ user) => (user.downloaded ? size(user.downloaded) : "") },
    { id: "uploaded", title: t("users.toThem"), width: "6.5rem", end: true, sort: true, cell: (/** @type {User} */ user) => (user.uploaded ? size(user.uploaded) : "") },
  ];
  return html`
    <div class="talk-bar">
      <label class="grow">
        <span class="visually-hidden">${t("users.find")}</span>
        <input
          type="search"
          placeholder=${t("users.find")}
          value=${words}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
        />
      </label>
      <span class="muted small num">${t("users.count", { count: rows.length })}</span>
    </div>
    <${List}
      label=${t("nav.users")}
      rows=${rows}
      idOf=${(/** @type {User} */ user) => user.username}
      columns=${columns}
      narrow=${(/** @type {User} */ user) => html`
        <div class="two"><div class="clip"><${NameCell} user=${user} /></div>
        <div class="muted small clip">${[known(user.files, (files) => t("users.files", { count: files })), user.note].filter(Boolean).join(" · ")}</div></div>
      `}
      sort=${sort}
      onSort=${(/** @type {string} */ by, /** @type {boolean} */ down) => setSort({ by, down })}
      onOpen=${(/** @type {User} */ user) => go("users", user.username)}
      actions=${(/** @type {User} */ user) => html`
        <${IconButton} changes icon="browse" label=${t("users.browse", { user: user.username })} onClick=${() => go("browse", user.username)} />
        <${IconButton} icon="chat" label=${t("users.write", { user: user.username })} onClick=${() => go("chat", user.username)} />
      `}
      empty=${html`<${Empty} icon="users" title=${words ? t("users.noneFound") : t("users.none")} text=${words ? "" : t("users.noneText")} />`}
    />
  `;
}

/**
 * @template T
 * @param {T | null | undefined} value @param {(value: T) => string} format
 */
function known(value, format) {
  return value === null || value === undefined ? "" : format(value);
}

/** @param {{ user: User }} props */
function NameCell({ user }) {
  return html`
    <span class="row clip">
      <${Person} name=${user.username} presence=${user.presence} />
      ${user.friend && html`<${Icon} name="heart" label=${t("users.friend")} />`}
      ${user.watched && !user.friend && html`<${Icon} name="eye" label=${t("users.isWatched")} />`}
      ${user.banned && html`<${Badge} tone="bad">${t("users.isBanned")}<//>`}
      ${user.privileged && html`<${Badge} tone="accent">${t("users.privileged")}<//>`}
    </span>
  `;
}

// -- one user

/** @param {{ user: string }} props */
function UserPage({ user }) {
  const about = useLoad((signal) => api.get(p`users/${user}`, {}, { signal }), [user]);
  useEvents(["user"], ({ kind, data }) => {
    if (kind === "missed" || data.username === user) about.reload();
  });
  const found = /** @type {User | undefined} */ (about.data);
  const head = html`
    <span class="row">
      <a class="icon-link" href=${href("users")} aria-label=${t("users.back")}><${Icon} name="back" /></a>
      <span class="clip" dir="auto">${user}</span>
    </span>
  `;
  return html`
    <${Page} title=${head} label=${user} actions=${found && html`<${Actions} user=${found} reload=${about.reload} />`}>
      ${about.error && !found && html`<${Trouble} error=${about.error} retry=${about.reload} />`}
      ${!found && !about.error && html`<${Loading} label=${t("users.asking", { user })} />`}
      ${found &&
      html`
        <div class="user-page">
          <div class="stack">
            <${Figures} user=${found} />
            <${Note} user=${found} />
            <${Between} user=${found} />
          </div>
          <div class="stack">
            <${About} user=${found} />
            <${Likes} user=${user} online=${found.presence !== "Offline"} />
          </div>
        </div>
      `}
    <//>
  `;
}

/** @param {{ user: User, reload: () => void }} props */
function Actions({ user, reload }) {
  const username = user.username;
  const { administrator } = useStore(session);
  const [giving, setGiving] = useState(false);
  const [change, busy] = useAction(async (/** @type {string} */ what, /** @type {boolean} */ wanted) => {
    const path = p`users/${username}/${what}`;
    await (wanted ? api.put(path) : api.delete(path));
    reload();
  });
  const ban = async () => {
    const sure =
      user.banned || (await ask({ title: t("users.banTitle", { user: username }), text: t("users.banText"), action: t("users.ban"), danger: true }));
    if (sure) await change("ban", !user.banned);
  };
  const items = [
    { title: user.watched ? t("users.unwatch") : t("users.watch"), icon: "eye", changes: true, run: () => change("watch", !user.watched) },
    administrator && { title: t("users.give"), icon: "star", run: () => setGiving(true) },
    { title: user.banned ? t("users.unban") : t("users.ban"), icon: "ban", danger: !user.banned, changes: true, run: ban },
  ];
  return html`
    <${Button} changes icon="browse" kind="primary" onClick=${() => go("browse", username)} title=${t("users.browseHint")}>${t("users.browseShort")}<//>
    <${Button} icon="chat" onClick=${() => go("chat", username)}>${t("users.writeShort")}<//>
    <${Button} changes icon="heart" busy=${busy} onClick=${() => change("friend", !user.friend)}>${user.friend ? t("users.unfriend") : t("users.befriend")}<//>
    <${Menu} label=${t("users.actions", { user: username })} icon="more" items=${items} />
    ${giving && html`<${GivePrivileges} user=${username} onClose=${() => setGiving(false)} />`}
  `;
}

/** @param {{ user: User }} props */
function Figures({ user }) {
  const rows = /** @type {[string, unknown][]} */ ([
    [t("users.speed"), user.speed ? speed(user.speed) : t("users.unknown")],
    [t("users.uploads"), known(user.uploads, count) || t("users.unknown")],
    [t("users.filesTitle"), known(user.files, count) || t("users.unknown")],
    [t("users.folders"), known(user.folders, count) || t("users.unknown")],
    [t("users.country"), user.country || t("users.unknown")],
    [t("users.seen"), user.presence !== "Offline" ? t("users.now") : user.last_seen ? ago(user.last_seen) : t("users.never")],
  ]);
  return html`
    <section class="card">
      <h2 class="row">
        <span class="grow">${t("users.figures")}</span>
        <${Presence} presence=${user.presence} />
        ${user.privileged && html`<${Badge} tone="accent">${t("users.privileged")}<//>`}
        ${user.friend && html`<${Badge} tone="good">${t("users.friend")}<//>`}
        ${user.banned && html`<${Badge} tone="bad">${t("users.isBanned")}<//>`}
      </h2>
      <dl class="facts">
        ${rows.map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd class="num">${value}</dd></div>`)}
      </dl>
    </section>
  `;
}

/** @param {{ presence: string }} props */
function Presence({ presence }) {
  if (presence === "Online") return html`<${Badge} tone="good">${t("users.online")}<//>`;
  if (presence === "Away") return html`<${Badge} tone="warn">${t("users.away")}<//>`;
  return html`<${Badge} tone="plain">${t("users.offline")}<//>`;
}

/** @param {{ user: User }} props */
function Note({ user }) {
  const [text, setText] = useState(user.note);
  useEffect(() => setText(user.note), [user.note]);
  const [save, busy] = useAction(async () => {
    await api.put(p`users/${user.username}/note`, { text: text.trim() });
    toast(t("users.noteKept"), { tone: "good" });
  });
  return html`
    <section class="card"><${Changing}>
      <${Field} label=${t("users.note")} hint=${t("users.noteHint")}>
        <textarea
          rows="3"
          maxlength="4096"
          value=${text}
          onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => setText(event.currentTarget.value)}
        ></textarea>
      <//>
      <div class="row end">
        <${Button} kind="primary" busy=${busy} disabled=${text.trim() === user.note} onClick=${save}>${t("users.keep")}<//>
      </div>
    <//></section>
  `;
}

/** What went both ways. @param {{ user: User }} props */
function Between({ user }) {
  return html`
    <section class="card">
      <h2>${t("users.between")}</h2>
      <div class="between">
        <div>
          <${Icon} name="down" />
          <b class="num">${size(user.downloaded)}</b>
          <span class="muted small">${t("users.fromThem")}</span>
        </div>
        <div>
          <${Icon} name="up" />
          <b class="num">${size(user.uploaded)}</b>
          <span class="muted small">${t("users.toThem")}</span>
        </div>
      </div>
    </section>
  `;
}

/** What the user says of itself, asked from the user. @param {{ user: User }} props */
function About({ user }) {
  const username = user.username;
  const online = user.presence !== "Offline";
  const { data, error, loading, reload } = useLoad(
    async (signal) => (online ? api.get(p`users/${username}/info`, {}, { signal }) : null),
    [username, online],
  );
  const picture = useMemo(() => (data?.picture ? pictureUrl(data.picture) : null), [data?.picture]);
  useEffect(() => () => void (picture && URL.revokeObjectURL(picture)), [picture]);
  return html`
    <section class="card">
      <h2 class="row">
        <span class="grow">${t("users.about")}</span>
        ${online && html`<${IconButton} icon="again" label=${t("users.askAgain")} onClick=${reload} />`}
      </h2>
      ${!online && html`<p class="muted">${t("users.aboutOffline")}</p>`}
      ${online && loading && !data && html`<${Loading} label=${t("users.asking", { user: username })} />`}
      ${online && error && !data && html`<p class="muted">${t("users.noAnswer")} <span class="small">${error.message}</span></p>`}
      ${data &&
      html`
        <p class="row wrap">
          ${data.free_slot
            ? html`<${Badge} tone="good">${t("users.freeSlot")}<//>`
            : html`<${Badge} tone="warn">${t("users.noFreeSlot")}<//>`}
          <span class="muted small num">${t("users.slots", { count: data.slots })} · ${t("users.queue", { count: data.queue })}</span>
        </p>
        ${picture && html`<img class="user-picture" src=${picture} alt=${t("users.picture", { user: username })} />`}
        ${data.description
          ? html`<p class="pre" dir="auto">${data.description}</p>`
          : html`<p class="muted">${t("users.saysNothing")}</p>`}
      `}
    </section>
  `;
}

/** @type {[number[], string][]} */
const PICTURES = [
  [[0x89, 0x50, 0x4e, 0x47], "image/png"],
  [[0xff, 0xd8, 0xff], "image/jpeg"],
  [[0x47, 0x49, 0x46, 0x38], "image/gif"],
  [[0x52, 0x49, 0x46, 0x46], "image/webp"],
];

/**
 * A picture from a stranger as something an image element may show; null when it begins like none.
 * @param {string} base64
 */
function pictureUrl(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const kind = PICTURES.find(([head]) => head.every((byte, at) => bytes[at] === byte))?.[1];
  return kind ? URL.createObjectURL(new Blob([bytes], { type: kind })) : null;
}

/** @param {{ user: string, online: boolean }} props */
function Likes({ user, online }) {
  const { data, error } = useLoad((signal) => api.get(p`users/${user}/interests`, {}, { signal }), [user, online]);
  if (error && !data) return null;
  return html`
    <section class="card">
      <h2>${t("users.interests")}</h2>
      ${data && data.liked.length + data.hated.length === 0 && html`<p class="muted">${t("users.noInterests")}</p>`}
      ${data && data.liked.length > 0 && html`<${Chips} label=${t("users.likes")} items=${data.liked} tone="good" />`}
      ${data && data.hated.length > 0 && html`<${Chips} label=${t("users.hates")} items=${data.hated} tone="bad" />`}
    </section>
  `;
}

/** @param {{ label: string, items: string[], tone: string }} props */
function Chips({ label, items, tone }) {
  return html`
    <h3 class="small muted">${label}</h3>
    <ul class="chips" aria-label=${label}>
      ${items.map((item) => html`<li key=${item} class=${`chip ${tone}`}><a href=${href("interests") + "?item=" + encodeURIComponent(item)}>${item}</a></li>`)}
    </ul>
  `;
}
