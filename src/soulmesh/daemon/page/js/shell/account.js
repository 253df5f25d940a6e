/**
 * Who we are on the network, at the foot of the navigation; and a dialog with what concerns this browser alone.
 */
import { html, Button, Icon, useState } from "../lib/ui.js";
import { api, logOut, session } from "../lib/api.js";
import { Dialog } from "../lib/dialog.js";
import { clock } from "../lib/format.js";
import { useAction } from "../lib/hooks.js";
import { barred } from "../lib/rights.js";
import { refreshStatus, useStatus } from "../lib/status.js";
import { useStore } from "../lib/store.js";
import { chosenLanguage, language, LANGUAGES, t } from "../lib/texts.js";
import { theme } from "../lib/theme.js";
import { reason } from "../lib/told.js";

/** One line about the connection to the network. @param {any} status */
function words(status) {
  if (!status) return "";
  if (status.logged_in) return t("shell.online", { name: status.username });
  return t("shell.offline");
}

/** Why we are not logged in. @param {any} status */
const trouble = (status) => reason(status?.problem_code, status?.problem);

export function StatusButton() {
  const status = useStatus();
  const [open, setOpen] = useState(false);
  return html`<button type="button" class="status-button" aria-haspopup="dialog" onClick=${() => setOpen(true)}
    title=${trouble(status) || words(status)}><span class=${`dot ${status?.logged_in ? "online" : "offline"}`} aria-hidden="true"></span>
    <span class="clip">${status?.logged_in ? status.username : words(status)}</span><${Icon} name="settings" /></button>
    ${open && html`<${Account} onClose=${() => setOpen(false)} />`}`;
}

/** Says once, for the whole page, that nothing can be changed; what is not live says why. */
export function ReadOnly() {
  const bar = barred();
  return bar && html`<p class="read-only small muted" title=${bar}><${Icon} name="lock" /> ${t("rights.short")}</p>`;
}

/** @param {{ onClose: () => void }} props */
function Account({ onClose }) {
  const status = useStatus();
  const who = useStore(session);
  const [connect, busy] = useAction(async (/** @type {boolean} */ on) => {
    await (on ? api.put("connection") : api.delete("connection"));
    await refreshStatus();
  });
  return html`<${Dialog} title=${t("shell.account")} onClose=${onClose}>
    <div class="row spread"><div class="stack tight"><div class="row"><span class=${`dot ${status?.logged_in ? "online" : "offline"}`}></span>
      <strong>${words(status)}</strong></div><span class="muted small">${status?.server}</span>
      ${status?.problem && html`<span class="bad small">${trouble(status)}</span>`}
      ${status?.next_attempt && html`<span class="muted small">${t("shell.retry", { when: clock(status.next_attempt) })}</span>`}</div>
      ${who.writes && (status?.logged_in || status?.link === "online" || status?.link === "waiting"
        ? html`<${Button} busy=${busy} onClick=${() => connect(!status.logged_in)}>${t(status.logged_in ? "shell.disconnect" : "shell.connect")}<//>`
        : html`<${Button} busy=${busy} kind="primary" onClick=${() => connect(true)}>${t("shell.connect")}<//>`)}</div>
    <${Choice} label=${t("shell.theme")} value=${useStore(theme)} options=${{ auto: t("theme.auto"), light: t("theme.light"), dark: t("theme.dark") }}
      onChange=${theme.set} />
    <${Choice} label=${t("shell.language")} value=${language} options=${LANGUAGES}
      onChange=${(/** @type {string} */ next) => { chosenLanguage.set(next); location.reload(); }} />
    ${who.authentication && html`<div class="row"><${Button} icon="out" onClick=${logOut}>${t("shell.logout")}<//></div>`}<//>`;
}

/**
 * One of a few, as buttons side by side.
 * @param {{ label: string, value: string, options: Record<string, string>, onChange: (value: any) => void }} props
 */
function Choice({ label, value, options, onChange }) {
  return html`<fieldset class="choice"><legend>${label}</legend>${Object.entries(options).map(([key, title]) => html`
    <label key=${key}><input type="radio" name=${label} value=${key} checked=${key === value} onChange=${() => onChange(key)} />
      <span>${title}</span></label>`)}</fieldset>`;
}
