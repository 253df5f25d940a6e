/**
 * The first start: an account for the network, and something to share. It comes by itself while one of them is missing,
 * and can be put off; who shares nothing is told so again at the foot of the navigation.
 */
import { html, Button, Field, Icon, Loading, useEffect, useState } from "../lib/ui.js";
import { api, session } from "../lib/api.js";
import { Dialog } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { go } from "../lib/route.js";
import { refreshStatus, useStatus } from "../lib/status.js";
import { kept, store, useStore } from "../lib/store.js";
import { reason } from "../lib/told.js";
import { t, tx } from "../lib/texts.js";

/** Who said "later" is not asked again to share. */
const later = kept("start.later", false);
/** Whether the assistant is open because somebody asked for it. */
const wished = store(false);

export function Start() {
  const { administrator } = useStore(session);
  const put = useStore(later);
  const asked = useStore(wished);
  const { data, reload } = useLoad(() => api.get("setup"), []);
  const [open, setOpen] = useState(false);
  const [shared, setShared] = useState(false);
  useEvents(["link", "share", "settings"], ({ kind }) => { if (kind !== "share.progress") reload(); });
  useEffect(() => {
    if (data && (!data.account || (data.nothing_shared && !put))) setOpen(true);
  }, [data === undefined]);
  if (!data || !administrator || !(open || asked)) return null;
  const close = () => {
    setOpen(false);
    wished.set(false);
    if (data.account) later.set(true);
  };
  const step = !data.account || (!data.logged_in && !data.account_from_settings) ? "account" : data.nothing_shared && !shared ? "shares" : "ready";
  return html`<${Dialog} title=${t("start.title")} onClose=${close} wide>
    <ol class="steps" aria-label=${t("start.steps")}>${["account", "shares", "ready"].map((one) => html`
      <li key=${one} aria-current=${one === step ? "step" : undefined} class=${(one === "account" && step !== "account") || (one === "shares" && step === "ready" && !data.nothing_shared) ? "passed" : ""}>${t(`start.${one}`)}</li>`)}</ol>
    ${step === "account" && html`<${AccountStep} setup=${data} onDone=${reload} />`}
    ${step === "shares" && html`<${SharesStep} setup=${data} onDone=${() => { setShared(true); reload(); }} onLater=${close} />`}
    ${step === "ready" && html`<${ReadyStep} setup=${data} onClose=${close} />`}<//>`;
}

/** Shown where it matters as long as nothing is shared or nobody is logged in. */
export function StartHint() {
  const status = useStatus();
  const { administrator } = useStore(session);
  if (!status || !administrator) return null;
  const hint = !status.username && !status.logged_in ? "start.hint.account" : status.shared_files === 0 && !status.scanning ? "start.hint.shares" : null;
  return hint && html`<button type="button" class="start-hint" onClick=${() => wished.set(true)}><${Icon} name="warning" /><span>${t(hint)}</span></button>`;
}

/** @param {{ setup: any, onDone: () => void }} props */
function AccountStep({ setup, onDone }) {
  const status = useStatus();
  const [name, setName] = useState(setup.username ?? "");
  const [password, setPassword] = useState("");
  const [waiting, setWaiting] = useState(false);
  useEffect(() => {
    if (waiting && (status?.problem || setup.problem)) setWaiting(false);
  }, [status?.problem, setup.problem]);
  const [save, busy] = useAction(async () => {
    await api.put("account", { username: name, password });
    setWaiting(true);
    await refreshStatus();
    onDone();
  });
  if (waiting && !setup.problem) return html`<${Loading} label=${t("start.account.waiting")} />`;
  return html`<form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); save(); }}>
    <p>${t("start.account.text")}</p>
    <${Field} label=${t("login.name")} hint=${t("start.account.name")}><input required maxlength="30" pattern="[ -~]+" autocomplete="off" value=${name}
      onInput=${(/** @type {any} */ event) => setName(event.currentTarget.value)} autofocus /><//>
    <${Field} label=${t("login.password")} hint=${t("start.account.password")} error=${setup.account ? reason(setup.problem_code, setup.problem) : null}><input type="password" required maxlength="256"
      autocomplete="new-password" value=${password} onInput=${(/** @type {any} */ event) => setPassword(event.currentTarget.value)} /><//>
    <div class="row"><${Button} type="submit" kind="primary" busy=${busy}>${t("start.account.go")}<//></div></form>`;
}

/** @param {{ setup: any, onDone: () => void, onLater: () => void }} props */
function SharesStep({ setup, onDone, onLater }) {
  const [path, setPath] = useState("");
  const status = useStatus();
  const [share, busy] = useAction(async (/** @type {string} */ folder) => {
    await api.post("shares/roots", { path: folder });
    onDone();
  });
  return html`<div class="stack"><p><strong>${t("start.shares.nothing")}</strong> ${t("start.shares.text")}</p>
    ${setup.roots > 0 && !status?.scanning && html`<p>${t("start.shares.empty")}</p>`}
    ${status?.scanning && html`<${Loading} label=${t("start.shares.scanning")} />`}
    ${!setup.downloads_shared && html`<div class="card row spread wrap"><div class="grow"><strong>${t("start.shares.downloads")}</strong>
      <p class="muted small mono">${setup.downloads_folder}</p></div>
      <${Button} kind="primary" busy=${busy} onClick=${() => share(setup.downloads_folder)}>${t("start.shares.downloads.go")}<//></div>`}
    ${setup.remote_configuration
      ? html`<form class="stack" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); share(path.trim()); }}>
          <${Field} label=${t("start.shares.path")} hint=${t("start.shares.path.hint")}><input required value=${path} spellcheck=${false} placeholder="/data/music"
            onInput=${(/** @type {any} */ event) => setPath(event.currentTarget.value)} /><//>
          <div class="row"><${Button} type="submit" busy=${busy} disabled=${!path.trim()}>${t("start.shares.path.go")}<//></div></form>`
      : html`<p class="muted small">${tx("start.shares.fixed", { option: html`<code>--share</code>`, setting: html`<code>remote_configuration</code>` })}</p>`}
    <div class="row"><${Button} kind="ghost" onClick=${onLater}>${t("start.later")}<//></div></div>`;
}

/** @param {{ setup: any, onClose: () => void }} props */
function ReadyStep({ setup, onClose }) {
  return html`<div class="stack"><p>${setup.nothing_shared ? t("start.ready.empty", { name: setup.username ?? "" }) : t("start.ready.text", { name: setup.username ?? "", count: setup.shared_files })}</p>
    <p class="muted">${t("start.ready.port", { port: String(setup.listen_port) })}</p>
    <div class="row"><${Button} kind="primary" icon="search" autofocus onClick=${() => { onClose(); go("search"); }}>${t("start.ready.go")}<//></div></div>`;
}
