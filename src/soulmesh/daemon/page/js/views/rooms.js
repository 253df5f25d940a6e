// Rooms: those that we are in, the server's list, and what is said elsewhere.

import { api } from "../lib/api.js";
import { askText } from "../lib/dialog.js";
import { count } from "../lib/format.js";
import { useAction, useNarrow } from "../lib/hooks.js";
import { href } from "../lib/route.js";
import { useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import { Icon, Menu, Page, html, useEffect, useMemo } from "../lib/ui.js";
import { unread } from "../lib/unread.js";
import { Directory } from "../parts/rooms/directory.js";
import { Feed } from "../parts/rooms/feed.js";
import { enter, follow, joined } from "../parts/rooms/joined.js";
import { RoomPane } from "../parts/rooms/room.js";

export const name = "rooms";
export const title = "nav.rooms";
export const icon = "rooms";
export const place = "main";

/** Unread messages in all rooms. */
export function useBadge() {
  useEffect(follow, []);
  return useStore(joined, (rooms) => (rooms ?? []).reduce((sum, room) => sum + unread(room.mark), 0));
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
                class=${unread(found.mark) ? "fresh" : ""}
                data-id=${found.name}
              >
                <${Icon} name=${found.private ? "lock" : "rooms"} />
                <span class="grow clip">${found.name}</span>
                ${found.favourite && html`<${Icon} name="star" label=${t("rooms.favourite")} />`}
                ${unread(found.mark) > 0
                  ? html`<span class="unread" aria-label=${t("rooms.unread", { count: unread(found.mark) })}>${count(unread(found.mark))}</span>`
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
        { title: t("rooms.newPublic"), icon: "rooms", disabled: busy, changes: true, run: () => create(false) },
        { title: t("rooms.newPrivate"), icon: "lock", disabled: busy, changes: true, run: () => create(true) },
        { title: t("rooms.invitationsAccept"), icon: "check", changes: true, run: () => invite(true) },
        { title: t("rooms.invitationsRefuse"), icon: "ban", changes: true, run: () => invite(false) },
      ]}
    />
  `;
}
