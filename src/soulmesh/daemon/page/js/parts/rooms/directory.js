// The server's list of rooms.

import { api } from "../../lib/api.js";
import { useEvents } from "../../lib/events.js";
import { count } from "../../lib/format.js";
import { useAction, useLoad } from "../../lib/hooks.js";
import { List } from "../../lib/list.js";
import { go } from "../../lib/route.js";
import { t } from "../../lib/texts.js";
import { Badge, Button, Empty, Icon, IconButton, Loading, Trouble, html, useMemo, useState } from "../../lib/ui.js";
import { enter } from "./joined.js";

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

export function Directory() {
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
        <${Button} changes=${!room.joined} kind="ghost" onClick=${() => open(room)}>${room.joined ? t("rooms.open") : t("rooms.join")}<//>
      `}
      empty=${html`
        <${Empty} icon="rooms" title=${words ? t("rooms.noneFound") : t("rooms.none")} text=${words ? t("rooms.noneFoundText") : t("rooms.noneText")}>
          ${words.trim() &&
          html`<${Button} changes kind="primary" onClick=${() => join(words.trim())}>${t("rooms.createNamed", { room: words.trim() })}<//>`}
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
