// Everything that is said in public rooms.

import { api } from "../../lib/api.js";
import { useAction } from "../../lib/hooks.js";
import { Person } from "../../lib/person.js";
import { useStatus } from "../../lib/status.js";
import { useStore } from "../../lib/store.js";
import { t } from "../../lib/texts.js";
import { Empty, Switch, html } from "../../lib/ui.js";
import { Lines } from "../talk.js";
import { feed } from "./joined.js";

export function Feed() {
  const { on, lines } = useStore(feed);
  const status = useStatus();
  const [turn] = useAction(async (/** @type {boolean} */ wanted) => {
    await api.put("rooms/feed", { on: wanted });
    feed.set((now) => ({ ...now, on: wanted }));
  });
  return html`
    <div class="talk-bar">
      <${Switch} changes label=${t("rooms.feedOn")} hint=${t("rooms.feedHint")} checked=${on} onChange=${turn} />
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
