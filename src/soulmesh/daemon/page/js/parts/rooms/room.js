// One room: what is said there, its wall, and what may be done with it.

import { api, p } from "../../lib/api.js";
import { ask, askText } from "../../lib/dialog.js";
import { useEvents } from "../../lib/events.js";
import { useAction, useLoad, useNarrow } from "../../lib/hooks.js";
import { Person } from "../../lib/person.js";
import { mayChange } from "../../lib/rights.js";
import { go, href } from "../../lib/route.js";
import { useStatus } from "../../lib/status.js";
import { useStore } from "../../lib/store.js";
import { t } from "../../lib/texts.js";
import { report, toast } from "../../lib/toast.js";
import { Badge, Button, Details, Empty, Icon, IconButton, Loading, Menu, Trouble, html, useEffect, useMemo, useState } from "../../lib/ui.js";
import { Finder } from "../find.js";
import { useSaid } from "../said.js";
import { Composer, Lines } from "../talk.js";
import { changeJoined, enter, joined, loadJoined, show } from "./joined.js";
import { Members, useMembers } from "./members.js";

/** @typedef {import("./joined.js").Joined} Joined */
/** @typedef {import("./members.js").Member} Member */

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

/** @param {{ name: string }} props */
export function RoomPane({ name: room }) {
  const rooms = useStore(joined);
  const here = rooms?.find((found) => found.name === room);
  const [act, busy] = useAction(enter);
  if (rooms === null) return html`<${Loading} label=${t("rooms.loading")} />`;
  if (!here) {
    return html`
      <${Empty} icon="rooms" title=${t("rooms.notIn", { room })} text=${t("rooms.notInText")}>
        <${Button} changes kind="primary" busy=${busy} onClick=${() => act(room)}>${t("rooms.join")}<//>
        <a class="button" href=${href("rooms")}>${t("rooms.all")}</a>
      <//>
    `;
  }
  return html`<${InRoom} here=${here} />`;
}

/** @param {{ here: Joined }} props */
function InRoom({ here }) {
  const room = here.name;
  const narrow = useNarrow();
  const status = useStatus();
  const [members, setMembers] = useState(!narrow);
  const [finding, setFinding] = useState(false);
  useEffect(() => setMembers(!narrow), [narrow]);
  const path = p`rooms/joined/${room}/messages`;
  const about = useLoad((signal) => api.get(p`rooms/joined/${room}`, {}, { signal }), [room]);
  const people = useMembers(room);
  const said = useSaid({ path, limit: 200, kind: "room.said", mine: (data) => data.room === room, onSeen: () => readSoon(room) });
  const { history } = said;

  useEffect(() => {
    show(room);
    return () => show("");
  }, [room]);
  useEvents(["room.RoomTickerChanged", "room.RoomMembersChanged", "room.RoomRightsChanged"], ({ kind, data }) => {
    if (kind === "missed" || data.room === room) about.reload();
  });

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
        finding=${finding}
        onFind=${() => setFinding(!finding)}
      />
      ${found && found.tickers.length > 0 && html`<${Tickers} tickers=${found.tickers} />`}
      <div class="talk-body">
        <div class=${narrow && members ? "talk-said away" : "talk-said"}>
          ${history.error && !history.data
            ? html`<${Trouble} error=${history.error} retry=${history.reload} />`
            : finding
              ? html`
                  <${Finder} path=${path} label=${t("talk.find")} me=${status?.username} onClose=${() => setFinding(false)}
                    onGo=${(/** @type {number} */ id) => said.reach(id).then(() => setFinding(false), report)} />
                `
              : html`
                  <${Lines}
                    label=${t("rooms.said", { room })}
                    place=${room}
                    lines=${said.lines}
                    me=${status?.username}
                    fresh=${said.fresh}
                    more=${said.more}
                    onMore=${said.older}
                    target=${said.target}
                    onTarget=${said.settle}
                    nameMenu=${(/** @type {string} */ user) => html`<${Person} name=${user} />`}
                    empty=${history.data && html`<${Empty} icon="rooms" title=${t("rooms.silent")} text=${t("rooms.silentText")} />`}
                  />
                `}
          <${Composer}
            label=${t("rooms.write", { room })}
            place=${`room ${room}`}
            names=${names}
            send=${(/** @type {string} */ text) => api.post(path, { text })}
          />
        </div>
        ${members && html`<${Members} room=${found} people=${people} reload=${about.reload} me=${status?.username ?? ""} />`}
      </div>
    </section>
  `;
}

/** Rooms of which it is about to be told that they were read. @type {Set<string>} */
const reading = new Set();

/** Many lines at once are marked as read together. @param {string} room */
function readSoon(room) {
  if (reading.has(room) || !mayChange()) return;
  reading.add(room);
  setTimeout(() => {
    reading.delete(room);
    api.put(p`rooms/joined/${room}/read`).catch(() => undefined);
  }, 300);
}

/**
 * @param {{ here: Joined, room: Room | undefined, reload: () => void, members: boolean, onMembers: () => void,
 *           narrow: boolean, finding: boolean, onFind: () => void }} props
 */
function RoomHead({ here, room, reload, members, onMembers, narrow, finding, onFind }) {
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
    { title: t("rooms.pin"), icon: "pin", changes: true, run: () => run(pin) },
    ...(operator ? [{ title: t("rooms.inviteAction"), icon: "plus", changes: true, run: () => run(invite) }] : []),
    ...(here.private && !owner ? [{ title: t("rooms.dropMember"), icon: "lock", danger: true, changes: true, run: () => run(() => giveUp("membership")) }] : []),
    ...(owner ? [{ title: t("rooms.dropOwner"), icon: "lock", danger: true, changes: true, run: () => run(() => giveUp("ownership")) }] : []),
    { title: t("rooms.leave"), icon: "close", danger: true, changes: true, run: () => run(leave) },
  ];
  return html`
    <header class="talk-title">
      ${narrow && html`<a class="icon-link" href=${href("rooms")} aria-label=${t("rooms.back")}><${Icon} name="back" /></a>`}
      <h2 class="clip" dir="auto">${here.name}</h2>
      ${here.private && html`<${Badge} tone="accent">${t("rooms.private")}<//>`}
      ${owner && html`<${Badge} tone="good">${t("rooms.owner")}<//>`}
      <span class="grow"></span>
      <${IconButton}
        changes
        icon="star"
        label=${here.favourite ? t("rooms.unfavour") : t("rooms.favour")}
        pressed=${here.favourite}
        onClick=${favour}
      />
      <${IconButton} icon="search" label=${t("talk.find")} pressed=${finding} onClick=${onFind} />
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
