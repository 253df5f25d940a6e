// Giving days of our privileges to somebody.

import { api, p } from "../lib/api.js";
import { Dialog } from "../lib/dialog.js";
import { useLoad } from "../lib/hooks.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import { Button, Field, Loading, Trouble, html, useState } from "../lib/ui.js";

const DAY = 86_400;

/** @param {{ user: string, onClose: () => void }} props */
export function GivePrivileges({ user, onClose }) {
  const { data, error, reload } = useLoad((signal) => api.get("account/privileges", {}, { signal }), []);
  const [days, setDays] = useState("1");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const left = Math.floor((data?.seconds_left ?? 0) / DAY);
  const number = Number(days);
  const fits = Number.isInteger(number) && number >= 1 && number <= left;
  const give = async () => {
    if (!fits) return;
    setBusy(true);
    try {
      const after = await api.post(p`users/${user}/privileges`, { days: number });
      toast(t("users.given", { count: number, user, left: Math.floor(after.seconds_left / DAY) }), { tone: "good" });
      onClose();
    } catch (error) {
      setProblem(/** @type {Error} */ (error).message);
    }
    setBusy(false);
  };
  return html`
    <${Dialog} title=${t("users.giveTitle", { user })} onClose=${onClose} onSubmit=${give}
      actions=${html`<${Button} onClick=${onClose}>${t("cancel")}<//>
        <${Button} type="submit" kind="primary" busy=${busy} disabled=${!fits}>${t("users.giveAction")}<//>`}>
      ${error && html`<${Trouble} error=${error} retry=${reload} />`}
      ${!data && !error && html`<${Loading} />`}
      ${data &&
      html`
        <p>${left > 0 ? t("users.daysLeft", { count: left }) : t("users.noDaysLeft")}</p>
        <p class="muted small">${t("users.giveText")}</p>
        <${Field} label=${t("users.days")} error=${problem || (!fits && left > 0 ? t("users.daysBetween", { count: left }) : "")}>
          <input class="short num" inputmode="numeric" value=${days} disabled=${left < 1}
            onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => (setProblem(""), setDays(event.currentTarget.value))} />
        <//>
      `}
    <//>
  `;
}
