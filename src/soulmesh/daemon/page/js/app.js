/**
 * The page: who may see it, the navigation around, and the view that the address names.
 */
import { html, render, Empty, Icon, Loading, Trouble, useEffect, useRef, useState } from "./lib/ui.js";
import { enter, session } from "./lib/api.js";
import { connect, connection, disconnect } from "./lib/events.js";
import { Dialog, Questions } from "./lib/dialog.js";
import { Toasts } from "./lib/toast.js";
import { useNarrow } from "./lib/hooks.js";
import { usePresences } from "./lib/person.js";
import { href, useRoute } from "./lib/route.js";
import { refreshStatus } from "./lib/status.js";
import { useStore } from "./lib/store.js";
import { language, t } from "./lib/texts.js";
import "./lib/theme.js";
import { ReadOnly, StatusButton } from "./shell/account.js";
import { Login } from "./shell/login.js";
import { Start, StartHint } from "./shell/start.js";
import { views } from "./views/index.js";

document.documentElement.lang = language;

/** How many places the bar of a phone has, with the one for the rest. */
const PLACES = 5;

function App() {
  const { phase } = useStore(session);
  const state = useStore(connection);
  const [error, setError] = useState(/** @type {Error | null} */ (null));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    setError(null);
    enter().catch(setError);
  }, [turn]);
  useEffect(() => {
    if (phase !== "in") return undefined;
    connect();
    refreshStatus();
    return disconnect;
  }, [phase]);
  if (error && phase === "unknown") return html`<main><${Trouble} error=${error} retry=${() => setTurn(turn + 1)} /></main>`;
  if (phase === "unknown") return html`<main><${Loading} /></main>`;
  if (phase === "login") return html`<${Login} />`;
  // What a view loads and what it is told afterwards must leave no gap: first the ear, then the eyes.
  if (state === "connecting") return html`<main><${Loading} /></main>`;
  return html`<${Shell} />`;
}

function Shell() {
  usePresences();
  const route = useRoute();
  const view = views.find((one) => one.name === route.view) ?? (route.view ? null : views[0]);
  const main = useRef(/** @type {any} */ (null));
  const before = useRef(/** @type {typeof view | undefined} */ (undefined));
  useEffect(() => {
    document.title = view ? `${t(view.title)} · soulmesh` : "soulmesh";
    const focused = document.activeElement;
    const elsewhere = before.current !== view;
    // Who navigates by keyboard or ear is taken along: to where the view puts focus, or to its heading. Within a view
    // what had focus may be gone. The first view leaves focus alone.
    const lost = elsewhere ? !main.current.contains(focused) : focused === document.body;
    if (before.current !== undefined && lost) main.current.querySelector("h1")?.focus({ preventScroll: true });
    before.current = view;
  }, [view, route.rest.join("/")]);
  const View = view?.View;
  return html`<div class="shell">
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); main.current.focus(); }}>${t("nav.skip")}</a>
    <${Navigation} current=${view?.name ?? ""} />
    <main id="main" tabindex="-1" ref=${main}><${Banner} />${View && view
      ? html`<${View} key=${view.name} rest=${route.rest} query=${route.query} />`
      : html`<${Empty} icon="search" title=${t("missing.title")} text=${t("missing.text")} />`}</main>
    <${Start} /><${Questions} /><${Toasts} /></div>`;
}

/** Says that what is shown may be out of date. */
function Banner() {
  const state = useStore(connection);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    setShown(false);
    if (state !== "lost") return undefined;
    const timer = setTimeout(() => setShown(true), 1500);
    return () => clearTimeout(timer);
  }, [state]);
  return shown && html`<div class="banner" role="alert"><${Icon} name="warning" />${t("shell.lost")}</div>`;
}

/** @param {{ view: import("./views/index.js").ViewModule, current: boolean, short?: boolean, onClick?: () => void }} props */
function NavItem({ view, current, short = false, onClick }) {
  const unread = view.useBadge?.() ?? 0;
  return html`<a href=${href(view.name)} aria-current=${current ? "page" : undefined} class="nav-item" onClick=${onClick}>
    <${Icon} name=${view.icon} /><span class="nav-title">${t((short && view.short) || view.title)}</span>${unread > 0
    && html`<span class="unread" aria-label=${t(view.badge ?? "nav.unread", { count: unread })}>${unread > 99 ? "99+" : unread}</span>`}</a>`;
}

/** @param {{ current: string }} props */
function Navigation({ current }) {
  const narrow = useNarrow();
  const [more, setMore] = useState(false);
  const close = () => setMore(false);
  if (!narrow) {
    return html`<nav class="side" aria-label=${t("nav.main")}><div class="brand"><${Mark} /><span>soulmesh</span></div>
      <div class="nav-items">${views.map((view) => html`<${NavItem} key=${view.name} view=${view} current=${view.name === current} />`)}</div>
      <div class="side-end"><${StartHint} /><${ReadOnly} /><${StatusButton} /></div></nav>`;
  }
  const places = views.filter((view) => view.place === "main").slice(0, PLACES - 1);
  const others = views.filter((view) => !places.includes(view));
  return html`<nav class="bottom" aria-label=${t("nav.main")}>${places.map((view) => html`
      <${NavItem} key=${view.name} view=${view} current=${view.name === current} short />`)}
    <button type="button" class="nav-item" aria-haspopup="dialog" aria-expanded=${String(more)} onClick=${() => setMore(true)}
      aria-current=${others.some((view) => view.name === current) ? "page" : undefined}>
      <${Icon} name="more" /><span class="nav-title">${t("nav.more")}</span><${OthersUnread} others=${others} /></button>
    ${more && html`<${Dialog} title=${t("nav.more")} onClose=${close}><div class="more-items">${others.map((view) => html`
      <${NavItem} key=${view.name} view=${view} current=${view.name === current} onClick=${close} />`)}</div><${StartHint} /><${ReadOnly} /><${StatusButton} /><//>`}</nav>`;
}

/** The marks of everything under More. @param {{ others: import("./views/index.js").ViewModule[] }} props */
function OthersUnread({ others }) {
  let all = 0;
  // The views are always the same ones, so the hooks are too.
  for (const view of others) all += view.useBadge?.() ?? 0;
  return all > 0 && html`<span class="unread" aria-label=${t("nav.unread", { count: all })}>${all > 99 ? "99+" : all}</span>`;
}

function Mark() {
  return html`<svg class="mark" viewBox="0 0 64 64" aria-hidden="true"><g class="lines">
    <path d="M32 17 18 33M32 17l14 16M18 33l14 15M46 33 32 48M18 33h28" /></g><g class="dots"><circle cx="32" cy="16" r="7" />
    <circle cx="17" cy="33" r="6" /><circle cx="47" cy="33" r="6" /><circle cx="32" cy="49" r="6" /></g></svg>`;
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.textContent = "";
render(html`<${App} />`, root);
