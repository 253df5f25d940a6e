// Rooms: the server's list, the rooms we are in, what is said there, and who is there.

import { api, p } from "../lib/api.js";
import { ask, askText } from "../lib/dialog.js";
import { listen, useEvents } from "../lib/events.js";
import { count } from "../lib/format.js";
import { useAction, useLoad, useNarrow } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person } from "../lib/person.js";
import { go, href } from "../lib/route.js";
import { useStatus } from "../lib/status.js";
import { store, useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import {
  Badge,
  Button,
  Details,
  Empty,
  Icon,
  IconButton,
  Loading,
  Menu,
  Page,
  Switch,
  Trouble,
  html,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "../lib/ui.js";
import { Composer, Lines } from "../parts/talk.js";

export const name = "rooms";
export const title = "nav.rooms";
export const icon = "rooms";
export const place = "main";

/** @typedef {import("../parts/talk.js").Line} Line */

/**
 * A room that we are in.
 * @typedef {object} Joined
 * @property {string} name
 * @property {boolean} private
 * @property {string | null} owner
 * @property {number} users
 * @property {number} unread
 * @property {boolean} favourite
 */

/**
 * A room, with what is only known inside.
 * @typedef {object} Room
 * @property {string} name
 * @property {boolean} private
 * @property {string | null} owner
 * @property {string[]} operators
 * @property {string[]} members names that may enter a private room
 * @property {{ username: string, text: string }[]} tickers
 * @property {boolean} favourite
 */

/**
 * Somebody in a room.
 * @typedef {object} Member
 * @property {string} username
 * @property {string} presence
 * @property {number} speed
 * @property {number} files
 * @property {string} country
 * @property {boolean} friend
 * @property {boolean} banned
 * @property {string} role
 */

/**
 * A room of the server's list.
 * @typedef {object} Listed
 * @property {string} name
 * @property {number} users
 * @property {boolean} private
 * @property {boolean} owned
 * @property {boolean} operated
 * @property {boolean} joined
 */

const FEED_KEPT = 500;

/** The rooms that we are in; null until they were asked for. */
const joined = store(/** @type {Joined[] | null} */ (null));
/** What came over the public feed since it was switched on here, and whether it is on. */
const feed = store({ on: false, lines: /** @type {Line[]} */ ([]) });
/** The room that is on the screen: what is said there is read at once. */
let shown = "";

/** How many events have changed the list: an answer that was on its way meanwhile may be older than they are. */
let changes = 0;

async function loadJoined() {
  for (let tries = 0; tries < 5; tries += 1) {
    const before = changes;
    joined.set((await api.get("rooms/joined")).items);
    if (before === changes) return;
  }
}

/** @param {string} room @param {(found: Joined) => Joined} change */
function changeJoined(room, change) {
  joined.set((rooms) => rooms && rooms.map((found) => (found.name === room ? change(found) : found)));
}

let following = false;

/** From the first use on the list of our rooms follows what happens, whatever view is shown. */
function follow() {
  if (following) return;
  following = true;
  loadJoined().catch(() => (following = false));
  listen(["room", "link"], ({ kind, data }) => {
    if (kind !== "room.PublicMessage" && kind !== "room.RoomTickerChanged") changes += 1;
    if (kind === "room.said") {
      if (!data.ours && data.room !== shown) changeJoined(data.room, (room) => ({ ...room, unread: room.unread + 1 }));
    } else if (kind === "room.RoomMemberJoined") {
      changeJoined(data.room, (room) => ({ ...room, users: room.users + 1 }));
    } else if (kind === "room.RoomMemberLeft") {
      changeJoined(data.room, (room) => ({ ...room, users: Math.max(0, room.users - 1) }));
    } else if (kind === "room.PublicMessage") {
      heard(data);
    } else if (kind !== "room.RoomTickerChanged") {
      loadJoined().catch(() => undefined);
    }
  });
}

let heardSoFar = 0;

/** @param {{ room: string, username: string, text: string }} said */
function heard({ room, username, text }) {
  heardSoFar += 1;
  const line = { key: `feed-${heardSoFar}`, at: new Date().toISOString(), username, text, own: false, room };
  feed.set(({ on, lines }) => ({ on, lines: [...lines.slice(1 - FEED_KEPT), line] }));
}

/** Unread messages in all rooms. */
export function useBadge() {
  useEffect(follow, []);
  return useStore(joined, (rooms) => (rooms ?? []).reduce((sum, room) => sum + room.unread, 0));
}

/** @param {{ rest: string[], query: URLSearchParams }} props */
export function View({ rest, query }) {
  const narrow = useNarrow();
  useEffect(follow, []);
  const room = rest[0] ?? "";
  const tab = room ? "" : (query.get("show") ?? "");
  const body = room ? html`<${RoomPane} key=${room} name=${room} />` : tab === "feed" ? html`<${Feed} />` : html`<${Directory} />`;
  return html`
    <${Page} title=${t("nav.rooms")} fill actions=${(!narrow || !room) && html`<${NewRoom} />`}>
      <div class="talk">
        ${(!narrow || !room) && html`<${Sidebar} room=${room} tab=${tab} />`}
        <div class="talk-main">${body}</div>
      </div>
    <//>
  `;
}

/** @param {{ room: string, tab: string }} props */
function Sidebar({ room, tab }) {
  const rooms = useStore(joined);
  const sorted = useMemo(() => [...(rooms ?? [])].sort((one, other) => one.name.localeCompare(other.name)), [rooms]);
  return html`
    <nav class="talk-side" aria-label=${t("rooms.places")}>
      <ul>
        <li>
          <a href=${href("rooms")} aria-current=${!room && tab === "" ? "page" : undefined}>
            <${Icon} name="list" /><span class="grow clip">${t("rooms.all")}</span>
          </a>
        </li>
        <li>
          <a href=${href("rooms") + "?show=feed"} aria-current=${tab === "feed" ? "page" : undefined}>
            <${Icon} name="feed" /><span class="grow clip">${t("rooms.feed")}</span>
          </a>
        </li>
      </ul>
      <h2 class="talk-head">${t("rooms.joined")}</h2>
      ${rooms !== null && sorted.length === 0 && html`<p class="muted small talk-none">${t("rooms.joinedNone")}</p>`}
      <ul>
        ${sorted.map(
          (found) => html`
            <li key=${found.name}>
              <a
                href=${href("rooms", found.name)}
                aria-current=${found.name === room ? "page" : undefined}
                class=${found.unread ? "fresh" : ""}
                data-id=${found.name}
              >
                <${Icon} name=${found.private ? "lock" : "rooms"} />
                <span class="grow clip">${found.name}</span>
                ${found.favourite && html`<${Icon} name="star" label=${t("rooms.favourite")} />`}
                ${found.unread > 0
                  ? html`<span class="unread" aria-label=${t("rooms.unread", { count: found.unread })}>${count(found.unread)}</span>`
                  : html`<span class="muted small num" aria-label=${t("rooms.users", { count: found.users })}>${count(found.users)}</span>`}
              </a>
            </li>
          `,
        )}
      </ul>
    </nav>
  `;
}

function NewRoom() {
  const [create, busy] = useAction(async (/** @type {boolean} */ closed) => {
    const wanted = await askText({
      title: closed ? t("rooms.newPrivate") : t("rooms.newPublic"),
      label: t("rooms.name"),
      value: "",
      action: t("rooms.create"),
    });
    if (!wanted?.trim()) return;
    await enter(wanted.trim(), closed);
  });
  const [invite] = useAction(async (/** @type {boolean} */ on) => {
    await api.put("rooms/invitations", { on });
    toast(on ? t("rooms.invitationsOn") : t("rooms.invitationsOff"), { tone: "good" });
  });
  return html`
    <${Menu}
      label=${t("rooms.new")}
      text=${t("rooms.new")}
      icon="plus"
      items=${[
        { title: t("rooms.newPublic"), icon: "rooms", disabled: busy, run: () => create(false) },
        { title: t("rooms.newPrivate"), icon: "lock", disabled: busy, run: () => create(true) },
        { title: t("rooms.invitationsAccept"), icon: "check", run: () => invite(true) },
        { title: t("rooms.invitationsRefuse"), icon: "ban", run: () => invite(false) },
      ]}
    />
  `;
}

/** @param {string} room @param {boolean} [closed] */
async function enter(room, closed = false) {
  await api.put(p`rooms/joined/${room}?private=${String(closed)}`);
  await loadJoined();
  go("rooms", room);
}

// -- the server's list

function Directory() {
  const [words, setWords] = useState("");
  const [sort, setSort] = useState({ by: "users", down: true });
  const { data, error, loading, reload } = useLoad((signal) => api.all("rooms", {}, { signal }), []);
  useEvents(["room.RoomJoined", "room.RoomLeft", "link.LoggedIn"], reload);
  const [join] = useAction(enter);

  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    const found = /** @type {Listed[]} */ (data ?? []).filter((room) => room.name.toLowerCase().includes(wanted));
    const way = sort.down ? -1 : 1;
    return found.sort((one, other) => {
      const order = sort.by === "users" ? one.users - other.users : 0;
      return order * way || one.name.localeCompare(other.name) * (sort.by === "name" ? way : 1);
    });
  }, [data, words, sort]);

  const columns = [
    { id: "name", title: t("rooms.name"), width: "1fr", sort: true, cell: (/** @type {Listed} */ room) => html`<${RoomName} room=${room} />` },
    { id: "users", title: t("rooms.usersTitle"), width: "6rem", end: true, sort: true, cell: (/** @type {Listed} */ room) => count(room.users) },
  ];
  /** @param {Listed} room */
  const open = (room) => (room.joined ? go("rooms", room.name) : join(room.name, room.private));

  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("rooms.loading")} />`;
  return html`
    <div class="talk-bar">
      <label class="grow">
        <span class="visually-hidden">${t("rooms.find")}</span>
        <input
          type="search"
          placeholder=${t("rooms.find")}
          value=${words}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
        />
      </label>
      <span class="muted small num">${t("rooms.shown", { count: rows.length })}</span>
      <${IconButton} icon="again" label=${t("rooms.reload")} onClick=${reload} />
    </div>
    <${List}
      label=${t("rooms.all")}
      rows=${rows}
      idOf=${(/** @type {Listed} */ room) => room.name}
      columns=${columns}
      narrow=${(/** @type {Listed} */ room) => html`
        <div class="two"><div class="clip"><${RoomName} room=${room} /></div>
        <div class="muted small">${t("rooms.users", { count: room.users })}</div></div>
      `}
      sort=${sort}
      onSort=${(/** @type {string} */ by, /** @type {boolean} */ down) => setSort({ by, down })}
      onOpen=${open}
      actions=${(/** @type {Listed} */ room) => html`
        <${Button} kind="ghost" onClick=${() => open(room)}>${room.joined ? t("rooms.open") : t("rooms.join")}<//>
      `}
      empty=${html`
        <${Empty} icon="rooms" title=${words ? t("rooms.noneFound") : t("rooms.none")} text=${words ? t("rooms.noneFoundText") : t("rooms.noneText")}>
          ${words.trim() &&
          html`<${Button} kind="primary" onClick=${() => join(words.trim())}>${t("rooms.createNamed", { room: words.trim() })}<//>`}
        <//>
      `}
    />
  `;
}

/** @param {{ room: Listed }} props */
function RoomName({ room }) {
  return html`
    <span class="row clip">
      <${Icon} name=${room.private ? "lock" : "rooms"} label=${room.private ? t("rooms.private") : undefined} />
      <span class="clip" dir="auto">${room.name}</span>
      ${room.joined && html`<${Badge} tone="good">${t("rooms.in")}<//>`}
      ${room.owned && html`<${Badge} tone="accent">${t("rooms.owner")}<//>`}
      ${!room.owned && room.operated && html`<${Badge} tone="plain">${t("rooms.operator")}<//>`}
    </span>
  `;
}

// -- everything that is said in public rooms

function Feed() {
  const { on, lines } = useStore(feed);
  const status = useStatus();
  const [turn] = useAction(async (/** @type {boolean} */ wanted) => {
    await api.put("rooms/feed", { on: wanted });
    feed.set((now) => ({ ...now, on: wanted }));
  });
  return html`
    <div class="talk-bar">
      <${Switch} label=${t("rooms.feedOn")} hint=${t("rooms.feedHint")} checked=${on} onChange=${turn} />
    </div>
    <${Lines}
      label=${t("rooms.feed")}
      place="feed"
      lines=${lines}
      me=${status?.username}
      nameMenu=${(/** @type {string} */ user) => html`<${Person} name=${user} />`}
      empty=${html`<${Empty} icon="feed" title=${on ? t("rooms.feedWaits") : t("rooms.feedOff")} text=${t("rooms.feedText")} />`}
    />
  `;
}

// -- one room

/** @param {{ name: string }} props */
function RoomPane({ name: room }) {
  const rooms = useStore(joined);
  const here = rooms?.find((found) => found.name === room);
  const [act, busy] = useAction(enter);
  if (rooms === null) return html`<${Loading} label=${t("rooms.loading")} />`;
  if (!here) {
    return html`
      <${Empty} icon="rooms" title=${t("rooms.notIn", { room })} text=${t("rooms.notInText")}>
        <${Button} kind="primary" busy=${busy} onClick=${() => act(room)}>${t("rooms.join")}<//>
        <a class="button" href=${href("rooms")}>${t("rooms.all")}</a>
      <//>
    `;
  }
  return html`<${InRoom} here=${here} />`;
}

/** @param {any} said @returns {Line} */
function asLine(said) {
  return { key: String(said.id), at: said.at, username: said.username, text: said.text, own: said.ours };
}

let liveSoFar = 0;

/** @param {{ here: Joined }} props */
function InRoom({ here }) {
  const room = here.name;
  const narrow = useNarrow();
  const status = useStatus();
  const [members, setMembers] = useState(!narrow);
  const [lines, setLines] = useState(/** @type {Line[]} */ ([]));
  const [before, setBefore] = useState(/** @type {string | null} */ (null));
  const [fresh, setFresh] = useState(/** @type {string | null} */ (null));
  useEffect(() => setMembers(!narrow), [narrow]);
  const unread = useRef(here.unread);
  const about = useLoad((signal) => api.get(p`rooms/joined/${room}`, {}, { signal }), [room]);
  const history = useLoad((signal) => api.get(p`rooms/joined/${room}/messages`, { limit: 200 }, { signal }), [room]);
  const people = useMembers(room);

  useEffect(() => {
    if (!history.data) return;
    const found = history.data.items.map(asLine);
    setLines(found);
    setBefore(history.data.before);
    const first = unread.current > 0 ? found[Math.max(0, found.length - unread.current)] : undefined;
    setFresh(first?.key ?? null);
  }, [history.data]);

  useEffect(() => {
    shown = room;
    read(room);
    return () => {
      shown = "";
      clearTimeout(reading);
    };
  }, [room]);

  useEvents(["room"], ({ kind, data }) => {
    if (kind === "missed") {
      history.reload();
      about.reload();
    } else if (data.room !== room) {
      return;
    } else if (kind === "room.said") {
      liveSoFar += 1;
      setLines((known) => [...known, { ...asLine(data), key: `live-${liveSoFar}` }]);
      if (!data.ours) readSoon(room);
    } else if (kind === "room.RoomTickerChanged" || kind === "room.RoomMembersChanged" || kind === "room.RoomRightsChanged") {
      about.reload();
    }
  });

  const older = async () => {
    const page = await api.get(p`rooms/joined/${room}/messages`, { before, limit: 200 });
    setLines((known) => [...page.items.map(asLine), ...known]);
    setBefore(page.before);
  };
  const found = /** @type {Room | undefined} */ (about.data);
  const names = useMemo(() => people.members.map((member) => member.username), [people.members]);
  return html`
    <section class="talk-place" aria-label=${room}>
      <${RoomHead}
        here=${here}
        room=${found}
        reload=${about.reload}
        members=${members}
        onMembers=${() => setMembers(!members)}
        narrow=${narrow}
      />
      ${found && found.tickers.length > 0 && html`<${Tickers} tickers=${found.tickers} />`}
      <div class="talk-body">
        <div class=${narrow && members ? "talk-said away" : "talk-said"}>
          ${history.error && !history.data
            ? html`<${Trouble} error=${history.error} retry=${history.reload} />`
            : html`
                <${Lines}
                  label=${t("rooms.said", { room })}
                  place=${room}
                  lines=${lines}
                  me=${status?.username}
                  fresh=${fresh}
                  more=${before !== null}
                  onMore=${older}
                  nameMenu=${(/** @type {string} */ user) => html`<${Person} name=${user} />`}
                  empty=${history.data && html`<${Empty} icon="rooms" title=${t("rooms.silent")} text=${t("rooms.silentText")} />`}
                />
              `}
          <${Composer}
            label=${t("rooms.write", { room })}
            place=${`room ${room}`}
            names=${names}
            send=${(/** @type {string} */ text) => api.post(p`rooms/joined/${room}/messages`, { text })}
          />
        </div>
        ${members && html`<${Members} room=${found} people=${people} reload=${about.reload} me=${status?.username ?? ""} />`}
      </div>
    </section>
  `;
}

/**
 * Who is in a room. Comings and goings change the list that is there: rooms of thousands are not asked for anew.
 * @param {string} room
 */
function useMembers(room) {
  const { data, error, loading, reload } = useLoad((signal) => api.all(p`rooms/joined/${room}/members`, {}, { signal }), [room]);
  const [members, setMembers] = useState(/** @type {Member[]} */ ([]));
  useEffect(() => setMembers(data ?? []), [data]);
  /** @param {string} username @param {Partial<Member>} news */
  const change = (username, news) =>
    setMembers((known) => known.map((member) => (member.username === username ? { ...member, ...news } : member)));
  useEvents(["room", "user"], ({ kind, data: told }) => {
    if (kind === "missed") reload();
    else if (kind === "user.UserStatusChanged") change(told.username, { presence: PRESENCES[told.status] ?? "Offline" });
    else if (kind === "user.UserStatsChanged") change(told.username, { files: told.files, speed: told.speed });
    else if (kind === "user.opinion") change(told.username, { friend: told.friend, banned: told.banned });
    else if (told.room !== room) return;
    else if (kind === "room.RoomMembersChanged" || kind === "room.RoomRightsChanged") reload();
    else if (kind === "room.RoomMemberLeft") setMembers((known) => known.filter((member) => member.username !== told.username));
    else if (kind === "room.RoomMemberJoined") {
      const here = { username: told.username, presence: "Online", speed: 0, files: 0, country: "", friend: false, banned: false, role: "" };
      setMembers((known) => (known.some((member) => member.username === told.username) ? known : [...known, here]));
    }
  });
  return { members, error: data ? null : error, loading, reload };
}

const PRESENCES = ["Offline", "Away", "Online"];

/** @param {string} room */
function read(room) {
  changeJoined(room, (found) => ({ ...found, unread: 0 }));
  api.put(p`rooms/joined/${room}/read`).catch(() => undefined);
}

let reading = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

/** Many lines at once are marked as read together. @param {string} room */
function readSoon(room) {
  clearTimeout(reading);
  reading = setTimeout(() => read(room), 500);
}

/**
 * @param {{ here: Joined, room: Room | undefined, reload: () => void, members: boolean, onMembers: () => void,
 *           narrow: boolean }} props
 */
function RoomHead({ here, room, reload, members, onMembers, narrow }) {
  const me = useStatus()?.username ?? "";
  const path = p`rooms/joined/${here.name}`;
  const owner = here.private && here.owner === me;
  const operator = owner || Boolean(room?.operators.includes(me));

  const [favour] = useAction(async () => {
    await (here.favourite ? api.delete(`${path}/favourite`) : api.put(`${path}/favourite`));
    changeJoined(here.name, (found) => ({ ...found, favourite: !here.favourite }));
  });
  const [run] = useAction(async (/** @type {() => Promise<unknown>} */ work) => {
    await work();
  });
  const leave = async () => {
    await api.delete(path);
    await loadJoined();
    go("rooms");
  };
  const pin = async () => {
    const mine = room?.tickers.find((ticker) => ticker.username === me)?.text ?? "";
    const text = await askText({ title: t("rooms.pinTitle"), label: t("rooms.pinLabel"), value: mine, action: t("rooms.pinAction") });
    if (text === null) return;
    await api.put(`${path}/ticker`, { text });
    reload();
  };
  const invite = async () => {
    const user = await askText({ title: t("rooms.inviteTitle", { room: here.name }), label: t("rooms.user"), value: "", action: t("rooms.invite") });
    if (!user?.trim()) return;
    await api.put(p`rooms/joined/${here.name}/members/${user.trim()}`);
    toast(t("rooms.invited", { user: user.trim() }), { tone: "good" });
    reload();
  };
  const giveUp = async (/** @type {"membership" | "ownership"} */ what) => {
    const mine = what === "ownership";
    const sure = await ask({
      title: mine ? t("rooms.dropOwner") : t("rooms.dropMember"),
      text: mine ? t("rooms.dropOwnerText", { room: here.name }) : t("rooms.dropMemberText", { room: here.name }),
      action: mine ? t("rooms.dropOwner") : t("rooms.dropMember"),
      danger: true,
    });
    if (!sure) return;
    await api.delete(`${path}/${what}`);
    await loadJoined();
    go("rooms");
  };
  const items = [
    { title: t("rooms.pin"), icon: "pin", run: () => run(pin) },
    ...(operator ? [{ title: t("rooms.inviteAction"), icon: "plus", run: () => run(invite) }] : []),
    ...(here.private && !owner ? [{ title: t("rooms.dropMember"), icon: "lock", danger: true, run: () => run(() => giveUp("membership")) }] : []),
    ...(owner ? [{ title: t("rooms.dropOwner"), icon: "lock", danger: true, run: () => run(() => giveUp("ownership")) }] : []),
    { title: t("rooms.leave"), icon: "close", danger: true, run: () => run(leave) },
  ];
  return html`
    <header class="talk-title">
      ${narrow && html`<a class="icon-link" href=${href("rooms")} aria-label=${t("rooms.back")}><${Icon} name="back" /></a>`}
      <h2 class="clip" dir="auto">${here.name}</h2>
      ${here.private && html`<${Badge} tone="accent">${t("rooms.private")}<//>`}
      ${owner && html`<${Badge} tone="good">${t("rooms.owner")}<//>`}
      <span class="grow"></span>
      <${IconButton}
        icon="star"
        label=${here.favourite ? t("rooms.unfavour") : t("rooms.favour")}
        pressed=${here.favourite}
        onClick=${favour}
      />
      <${IconButton} icon="users" label=${t("rooms.showMembers")} pressed=${members} onClick=${onMembers} />
      <${Menu} label=${t("rooms.actions", { room: here.name })} icon="more" items=${items} />
    </header>
  `;
}

/** @param {{ tickers: { username: string, text: string }[] }} props */
function Tickers({ tickers }) {
  return html`
    <div class="talk-wall">
      <${Details} title=${t("rooms.wall", { count: tickers.length })}>
        <ul class="small">
          ${tickers.map(
            ({ username, text }) => html`<li key=${username}><${Person} name=${username} /> <span dir="auto">${text}</span></li>`,
          )}
        </ul>
      <//>
    </div>
  `;
}

const ORDER = { Online: 0, Away: 1, Offline: 2 };

/** @param {Member} member */
function rank(member) {
  return ORDER[/** @type {keyof typeof ORDER} */ (member.presence)] ?? 3;
}

/** @param {{ room: Room | undefined, people: ReturnType<typeof useMembers>, reload: () => void, me: string }} props */
function Members({ room, people, reload, me }) {
  const [words, setWords] = useState("");
  const rows = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return people.members
      .filter((member) => member.username.toLowerCase().includes(wanted))
      .sort((one, other) => rank(one) - rank(other) || one.username.localeCompare(other.username));
  }, [people.members, words]);
  if (people.error) return html`<aside class="talk-members"><${Trouble} error=${people.error} retry=${people.reload} /></aside>`;
  const owner = Boolean(room?.private) && room?.owner === me;
  const operator = owner || Boolean(room?.operators.includes(me));
  /** @param {Member} member */
  const cell = (member) => html`
    <span class="row clip member">
      <${Person} name=${member.username} presence=${member.presence} />
      ${member.role === "owner" && html`<${Badge} tone="good">${t("rooms.owner")}<//>`}
      ${member.role === "operator" && html`<${Badge} tone="plain">${t("rooms.operator")}<//>`}
      ${member.country && html`<span class="muted small">${member.country}</span>`}
      <span class="grow"></span>
      <span class="muted small num" title=${t("rooms.files", { count: member.files })}>${count(member.files)}</span>
    </span>
  `;
  return html`
    <aside class="talk-members" aria-label=${t("rooms.members")}>
      <label>
        <span class="visually-hidden">${t("rooms.findMember")}</span>
        <input
          type="search"
          placeholder=${t("rooms.findMember")}
          value=${words}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setWords(event.currentTarget.value)}
        />
      </label>
      <${List}
        label=${t("rooms.members")}
        rows=${rows}
        idOf=${(/** @type {Member} */ member) => member.username}
        columns=${[{ id: "name", title: t("rooms.membersCount", { count: rows.length }), width: "1fr", cell }]}
        narrow=${cell}
        rowClass=${(/** @type {Member} */ member) => (member.banned ? "muted" : member.presence === "Away" ? "away" : "")}
        onOpen=${(/** @type {Member} */ member) => go("users", member.username)}
        actions=${room?.private && operator ? (/** @type {Member} */ member) => html`<${MemberRights} room=${room} member=${member} owner=${owner} reload=${reload} me=${me} />` : undefined}
        empty=${html`<p class="muted small talk-none">${t("rooms.noMember")}</p>`}
      />
      ${room?.private && operator && html`<${Allowed} room=${room} reload=${reload} me=${me} />`}
    </aside>
  `;
}

/** @param {{ room: Room, member: { username: string }, owner: boolean, reload: () => void, me: string }} props */
function MemberRights({ room, member, owner, reload, me }) {
  const [run] = useAction(async (/** @type {"members" | "operators"} */ what, /** @type {boolean} */ granted) => {
    const path = p`rooms/joined/${room.name}/${what}/${member.username}`;
    await (granted ? api.put(path) : api.delete(path));
    reload();
  });
  if (member.username === me || member.username === room.owner) return null;
  const operates = room.operators.includes(member.username);
  const items = [
    ...(owner
      ? [
          {
            title: operates ? t("rooms.noOperator") : t("rooms.makeOperator"),
            icon: "shield",
            run: () => run("operators", !operates),
          },
        ]
      : []),
    { title: t("rooms.exclude"), icon: "ban", danger: true, run: () => run("members", false) },
  ];
  return html`<${Menu} label=${t("rooms.rights", { user: member.username })} icon="more" items=${items} />`;
}

/** Who may enter a private room, also those who are not there now. @param {{ room: Room, reload: () => void, me: string }} props */
function Allowed({ room, reload, me }) {
  return html`
    <${Details} title=${t("rooms.allowed", { count: room.members.length })}>
      <ul class="talk-allowed small">
        ${room.members.map(
          (username) => html`
            <li key=${username} class="row">
              <span class="grow clip"><${Person} name=${username} /></span>
              <${MemberRights} room=${room} member=${{ username }} owner=${room.owner === me} reload=${reload} me=${me} />
            </li>
          `,
        )}
      </ul>
    <//>
  `;
}
