/**
 * Drawing: preact with htm as its markup, from one place, and the small parts that all views are made of.
 */
import { h, render, Fragment, createContext, createRef, cloneElement } from "../../vendor/preact.js";
import {
  useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from "../../vendor/preact-hooks.js";
import htm from "../../vendor/htm.js";
import { t } from "./texts.js";
import { paths } from "./icons.js";
import { barred } from "./rights.js";

/** @typedef {import("preact").ComponentChildren} Children */

/** Markup: html`<p class="muted">${text}</p>`. What is put in is text, never markup. */
export const html = /** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */ (htm.bind(h));

export {
  h, render, Fragment, createContext, createRef, cloneElement,
  useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState,
};

let ids = 0;

/**
 * An id of its own for an element that another one points to.
 * @param {string} prefix
 * @returns {string}
 */
export function useId(prefix = "id") {
  const own = useRef("");
  if (!own.current) own.current = `${prefix}-${++ids}`;
  return own.current;
}

/**
 * A picture of 20 by 20; decoration unless it has a label.
 * @param {{ name: string, label?: string }} props
 */
export function Icon({ name, label }) {
  return html`<svg class="icon" viewBox="0 0 20 20" role=${label ? "img" : undefined} aria-label=${label}
    aria-hidden=${label ? undefined : "true"}><path d=${paths[name] ?? ""} /></svg>`;
}

/**
 * @param {{ changes?: boolean,
 *   onClick?: (event: Event) => void, kind?: "plain" | "primary" | "danger" | "ghost", icon?: string,
 *   disabled?: boolean, busy?: boolean, title?: string, type?: "button" | "submit", children?: Children,
 *   [attribute: string]: any
 * }} props changes: what it does takes the right to change things
 */
export function Button({ kind = "plain", icon, busy = false, disabled = false, changes = false, type = "button", title, children, ...rest }) {
  const bar = barred(changes);
  return html`<button type=${type} class=${`button ${kind}`} disabled=${disabled || busy || Boolean(bar)} aria-busy=${busy || undefined}
    title=${bar ?? title} ...${rest}>${icon && html`<${Icon} name=${icon} />`}${children && html`<span>${children}</span>`}</button>`;
}

/**
 * A button that shows a picture alone; the label is read out and shown on hovering.
 * @param {{ icon: string, label: string, onClick?: (event: Event) => void, pressed?: boolean, disabled?: boolean,
 *   changes?: boolean, [attribute: string]: any }} props changes: what it does takes the right to change things
 */
export function IconButton({ icon, label, pressed, disabled = false, changes = false, ...rest }) {
  const bar = barred(changes);
  return html`<button type="button" class="button icon-only ghost" aria-label=${label} title=${bar ?? label} disabled=${disabled || Boolean(bar)}
    aria-pressed=${pressed === undefined ? undefined : String(pressed)} ...${rest}><${Icon} name=${icon} /></button>`;
}

/**
 * What is shown where nothing is: what this place is for, and what to do next.
 * @param {{ icon?: string, title: string, text?: Children, children?: Children }} props
 */
export function Empty({ icon, title, text, children }) {
  return html`<div class="empty">${icon && html`<${Icon} name=${icon} />`}<h2>${title}</h2>
    ${text && html`<p>${text}</p>`}${children && html`<div class="row">${children}</div>`}</div>`;
}

/**
 * What is shown where something could not be had.
 * @param {{ error: Error, retry?: () => void }} props
 */
export function Trouble({ error, retry }) {
  return html`<div class="empty trouble" role="alert"><${Icon} name="warning" /><h2>${t("trouble.title")}</h2>
    <p>${error.message}</p>${retry && html`<${Button} icon="again" onClick=${retry}>${t("trouble.again")}<//>`}</div>`;
}

/** @param {{ label?: string }} props */
export function Loading({ label = t("loading") }) {
  return html`<div class="loading" role="status"><span class="spinner" aria-hidden="true"></span>${label}</div>`;
}

/**
 * A labelled input: its hint and its error are read out with it.
 * @param {{ label: string, hint?: Children, error?: string | null, children: any, hidden?: boolean }} props
 */
export function Field({ label, hint, error, children, hidden = false }) {
  const id = useId("field");
  const input = Array.isArray(children) ? children.find(Boolean) : children;
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const bound = cloneElement(input, {
    id, "aria-describedby": described || undefined, "aria-invalid": error ? "true" : undefined,
  });
  return html`<div class="field"><label for=${id} class=${hidden ? "visually-hidden" : ""}>${label}</label>${bound}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`} role="alert">${error}</p>`}</div>`;
}

/**
 * @param {{ label: string, hint?: Children, checked: boolean, onChange: (on: boolean) => void, disabled?: boolean,
 *   changes?: boolean }} props
 */
export function Switch({ label, hint, checked, onChange, disabled = false, changes = false }) {
  const bar = barred(changes);
  const id = useId("switch");
  return html`<div class="switch"><input type="checkbox" role="switch" id=${id} checked=${checked} disabled=${disabled || Boolean(bar)} title=${bar}
    aria-describedby=${hint ? `${id}-hint` : undefined}
    onChange=${(/** @type {any} */ event) => onChange(event.currentTarget.checked)} /><label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}</div>`;
}

/**
 * Tabs, moved through with the arrow keys.
 * @param {{ label: string, items: { id: string, title: string, count?: number }[], value: string,
 *   onChange: (id: string) => void }} props
 */
export function Tabs({ label, items, value, onChange }) {
  /** @param {any} event */
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[/** @type {string} */ (event.key)];
    if (!step) return;
    event.preventDefault();
    const at = items.findIndex((item) => item.id === value);
    const next = items[(at + step + items.length) % items.length];
    onChange(next.id);
    event.currentTarget.querySelector(`[data-tab="${CSS.escape(next.id)}"]`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${move}>${items.map((item) => html`
    <button type="button" role="tab" key=${item.id} data-tab=${item.id} aria-selected=${String(item.id === value)}
      tabindex=${item.id === value ? 0 : -1} onClick=${() => onChange(item.id)}>${item.title}${item.count === undefined
      ? null : html`<span class="count">${item.count}</span>`}</button>`)}</div>`;
}

/**
 * @param {{ value: number | null, label: string, tone?: string }} props value: 0 to 1; null while nobody knows
 */
export function Progress({ value, label, tone = "accent" }) {
  const part = value === null ? 0 : Math.max(0, Math.min(1, value));
  return html`<div class=${`progress ${tone} ${value === null ? "unknown" : ""}`} role="progressbar" aria-label=${label}
    aria-valuemin="0" aria-valuemax="100" aria-valuenow=${value === null ? undefined : Math.floor(part * 100)}>
    <div style=${{ transform: `scaleX(${part})` }}></div></div>`;
}

/** @param {{ tone?: "plain" | "good" | "warn" | "bad" | "accent", children?: Children, title?: string }} props */
export function Badge({ tone = "plain", children, title }) {
  return html`<span class=${`badge ${tone}`} title=${title}>${children}</span>`;
}

/**
 * A button that opens a menu.
 * @param {{ label: string, icon?: string, text?: string, items: ({ title: string, icon?: string, danger?: boolean,
 *   disabled?: boolean, changes?: boolean, run: () => void } | null | false)[] }} props
 */
export function Menu({ label, icon = "more", text, items }) {
  const id = useId("menu");
  const root = useRef(/** @type {any} */ (null));
  const [open, setOpen] = useState(false);
  const shown = items.filter(Boolean);
  /** @param {boolean} back whether focus goes back to the button */
  const close = (back) => {
    setOpen(false);
    if (back) root.current?.querySelector("button")?.focus();
  };
  useEffect(() => {
    if (!open) return undefined;
    const list = root.current.querySelector("[role=menu]");
    // Above everything: where it stands in the document, lists cut what leaves them and have places of their own.
    list.showPopover?.();
    const button = root.current.querySelector("button").getBoundingClientRect();
    const box = list.getBoundingClientRect();
    const left = Math.max(8, Math.min(button.right - box.width, innerWidth - box.width - 8));
    const below = button.bottom + box.height + 8 < innerHeight;
    list.style.left = `${left}px`;
    list.style.top = below ? `${button.bottom + 4}px` : `${Math.max(8, button.top - box.height - 4)}px`;
    list.querySelector("[role=menuitem]:not([disabled])")?.focus({ preventScroll: true });
    /** @param {Event} event */
    const outside = (event) => {
      if (!root.current?.contains(event.target)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    addEventListener("resize", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      removeEventListener("resize", outside);
    };
  }, [open]);
  /** @param {any} event */
  const move = (event) => {
    if (event.key === "Escape" || event.key === "Tab") {
      event.stopPropagation();
      return close(event.key === "Escape");
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[/** @type {string} */ (event.key)];
    if (!step) return undefined;
    event.preventDefault();
    event.stopPropagation();
    const all = [...root.current.querySelectorAll("[role=menuitem]:not([disabled])")];
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length]?.focus();
    return undefined;
  };
  return html`<div class="menu" ref=${root} onKeyDown=${open ? move : undefined} onDblClick=${(/** @type {Event} */ e) => e.stopPropagation()}>
    <button type="button" class=${`button ghost ${text ? "" : "icon-only"}`} aria-haspopup="menu" aria-expanded=${String(open)}
      aria-controls=${open ? id : undefined} aria-label=${label} title=${label}
      onClick=${(/** @type {Event} */ event) => { event.stopPropagation(); setOpen(!open); }}>
      <${Icon} name=${icon} />${text && html`<span>${text}</span>`}</button>
    ${open && html`<div role="menu" popover="manual" id=${id} aria-label=${label} class="menu-list">${shown.map((item) => item && html`
      <button type="button" role="menuitem" class=${item.danger ? "danger" : ""}
        disabled=${item.disabled || Boolean(barred(item.changes ?? false))} title=${barred(item.changes ?? false)}
        onClick=${(/** @type {Event} */ event) => { event.stopPropagation(); close(true); item.run(); }}>
        ${item.icon && html`<${Icon} name=${item.icon} />`}<span>${item.title}</span></button>`)}</div>`}</div>`;
}

/**
 * Fields and buttons that together change something: not live without the right to.
 * @param {{ children?: Children }} props
 */
export function Changing({ children }) {
  const bar = barred();
  return html`<fieldset class="changing" disabled=${Boolean(bar)} title=${bar}>${children}</fieldset>`;
}

/** @param {{ title: Children, open?: boolean, children?: Children }} props */
export function Details({ title, open = false, children }) {
  return html`<details class="details" open=${open}><summary>${title}</summary><div class="stack">${children}</div></details>`;
}

/**
 * The frame of a view: its heading, what can be done, its body.
 * @param {{ title: Children, label?: string, actions?: Children, children?: Children, fill?: boolean, note?: Children }} props
 *   fill: the body scrolls by itself (lists); otherwise it is scrolled as a whole, also by keys: label is its name then,
 *   where the title is more than text
 */
export function Page({ title, label, actions, children, fill = false, note }) {
  return html`<section class=${`page ${fill ? "fill" : ""}`}><header class="page-head"><h1 tabindex="-1">${title}</h1>
    ${note && html`<div class="page-note">${note}</div>`}${actions && html`<div class="page-actions">${actions}</div>`}</header>
    <div class="page-body" ...${fill ? {} : { tabindex: "0", role: "group", "aria-label": typeof title === "string" ? title : label }}>${children}</div></section>`;
}
