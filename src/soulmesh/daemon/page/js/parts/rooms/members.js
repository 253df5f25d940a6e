// Who is in a room, and what may be done with them in a private one.

import { api, p } from "../../lib/api.js";
import { useEvents } from "../../lib/events.js";
import { count } from "../../lib/format.js";
import { useAction, useLoad } from "../../lib/hooks.js";
import { List } from "../../lib/list.js";
import { Person } from "../../lib/person.js";
import { keptUp } from "../../lib/pushed.js";
import { go } from "../../lib/route.js";
import { t } from "../../lib/texts.js";
import { Badge, Details, Menu, Trouble, html, useMemo, useState } from "../../lib/ui.js";

/** @typedef {import("./room.js").Room} Room */

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
 * Who is in a room. Comings and goings change the list that is there: rooms of thousands are not asked for anew.
 * @param {string} room
 */
export function useMembers(room) {
  const [members, setMembers] = useState(/** @type {Member[]} */ ([]));
  const list = useMemo(() => keptUp(/** @param {(all: Member[]) => Member[]} change */ (change) => setMembers(change)), []);
  // Set as soon as it is here: who comes after that is added to it.
  const { data, error, loading, reload } = useLoad((signal) => list.ask(() => api.all(p`rooms/joined/${room}/members`, {}, { signal })).then((found) => {
    if (found && !signal.aborted) setMembers(found);
    return true;
  }), [room]);
  /** @param {string} username @param {Partial<Member>} news */
  const change = (username, news) =>
    list.tell((known) => known.map((member) => (member.username === username ? { ...member, ...news } : member)));
  useEvents(["room", "user"], ({ kind, data: told }) => {
    if (kind === "missed") reload();
    else if (kind === "user.UserStatusChanged") change(told.username, { presence: PRESENCES[told.status] ?? "Offline" });
    else if (kind === "user.UserStatsChanged") change(told.username, { files: told.files, speed: told.speed });
    else if (kind === "user.opinion") change(told.username, { friend: told.friend, banned: told.banned });
    else if (told.room !== room) return;
    else if (kind === "room.RoomMembersChanged" || kind === "room.RoomRightsChanged") reload();
    else if (kind === "room.RoomMemberLeft") list.tell((known) => known.filter((member) => member.username !== told.username));
    else if (kind === "room.RoomMemberJoined") {
      const here = { username: told.username, presence: "Online", speed: 0, files: 0, country: "", friend: false, banned: false, role: "" };
      list.tell((known) => (known.some((member) => member.username === told.username) ? known : [...known, here]));
    }
  });
  return { members, error: data ? null : error, loading, reload };
}

const PRESENCES = ["Offline", "Away", "Online"];

const ORDER = { Online: 0, Away: 1, Offline: 2 };

/** @param {Member} member */
function rank(member) {
  return ORDER[/** @type {keyof typeof ORDER} */ (member.presence)] ?? 3;
}

/** @param {{ room: Room | undefined, people: ReturnType<typeof useMembers>, reload: () => void, me: string }} props */
export function Members({ room, people, reload, me }) {
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
            changes: true,
            run: () => run("operators", !operates),
          },
        ]
      : []),
    { title: t("rooms.exclude"), icon: "ban", danger: true, changes: true, run: () => run("members", false) },
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
