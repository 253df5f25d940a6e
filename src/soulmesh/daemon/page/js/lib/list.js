/**
 * The virtual list: only the rows that are seen are in the document, however many there are.
 *
 * One line a row on a desk, two on a phone. Moved through with the keyboard: the list has the focus, and
 * `aria-activedescendant` says which row is meant. Screen readers learn by `aria-rowcount` how long it is.
 */
import { html, Icon, useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./ui.js";
import { useNarrow } from "./hooks.js";
import { t } from "./texts.js";

/**
 * @template R
 * @typedef {{ id: string, title: any, label?: string, width: string, end?: boolean, sort?: boolean,
 *   cell: (row: R) => any }} Column
 */

/**
 * @template R
 * @typedef {{ length: number, at: (index: number) => R | undefined }} Rows an array, or something that loads its rows
 */

/**
 * @template R
 * @typedef {{
 *   label: string, rows: Rows<R>, idOf: (row: R) => string, columns: Column<R>[], narrow: (row: R) => any,
 *   full?: (row: R) => any, sort?: { by: string, down: boolean }, onSort?: (by: string, down: boolean) => void,
 *   onOpen?: (row: R) => void, selected?: Set<string>, onSelected?: (selected: Set<string>) => void,
 *   level?: (row: R) => number, expanded?: (row: R) => boolean | undefined, onToggle?: (row: R, open: boolean) => void,
 *   onRange?: (first: number, last: number) => void, rowClass?: (row: R) => string, actions?: (row: R) => any,
 *   onKey?: (event: KeyboardEvent, row: R | undefined) => boolean | void, stick?: "end", empty?: any,
 *   height?: number, narrowHeight?: number,
 * }} ListProps
 */

const HEIGHT = 28;
const NARROW_HEIGHT = 52;
const AROUND = 8;
/** Taller than this a browser does not scroll; a list that long is squeezed. */
const TALLEST = 12_000_000;

/**
 * @template R
 * @param {ListProps<R>} props
 */
export function List(props) {
  const {
    label, rows, idOf, columns, narrow, full, sort, onSort, onOpen, selected, onSelected, level, expanded, onToggle,
    onRange, rowClass, actions, onKey, stick, empty, height = HEIGHT, narrowHeight = NARROW_HEIGHT,
  } = props;
  const isNarrow = useNarrow();
  const tall = isNarrow ? narrowHeight : height;
  const id = useId("list");
  const box = useRef(/** @type {any} */ (null));
  const [view, setView] = useState({ top: 0, height: 600 });
  const [active, setActive] = useState(/** @type {string | null} */ (null));
  // What can be done with a row is drawn for the one that is pointed at, has the focus or is meant: drawing it for
  // all that are seen takes most of the time of scrolling.
  const [pointed, setPointed] = useState(/** @type {string | null} */ (null));
  const [focused, setFocused] = useState(/** @type {string | null} */ (null));
  const activeAt = useRef(0);
  const anchor = useRef(0);
  const atEnd = useRef(true);

  const squeeze = Math.max(1, (rows.length * tall) / TALLEST);
  const whole = (rows.length * tall) / squeeze;
  const firstSeen = Math.floor((view.top * squeeze) / tall);
  const seen = Math.ceil(view.height / tall) + 1;
  const first = Math.max(0, firstSeen - AROUND);
  const last = Math.min(rows.length, firstSeen + seen + AROUND);

  // -- size and scrolling

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = () => setView({ top: element.scrollTop, height: element.clientHeight });
    let waiting = 0;
    const scrolled = () => {
      atEnd.current = element.scrollTop + element.clientHeight >= element.scrollHeight - 4;
      if (!waiting) {
        waiting = requestAnimationFrame(() => {
          waiting = 0;
          measure();
        });
      }
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => {
      element.removeEventListener("scroll", scrolled);
      cancelAnimationFrame(waiting);
      watch.disconnect();
    };
  }, [rows.length === 0]);

  useLayoutEffect(() => {
    if (stick === "end" && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [rows.length, stick]);

  useEffect(() => {
    if (onRange && rows.length) onRange(Math.min(first, rows.length - 1), Math.max(0, last - 1));
  }, [first, last, rows]);

  const show = useCallback((/** @type {number} */ at) => {
    const element = box.current;
    if (!element) return;
    const head = element.querySelector(".list-head")?.offsetHeight ?? 0;
    const top = (at * tall) / squeeze;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + tall > element.scrollTop + element.clientHeight - head) {
      element.scrollTop = top + tall - element.clientHeight + head;
    }
    setView({ top: element.scrollTop, height: element.clientHeight });
  }, [tall, squeeze]);

  // -- which row is meant

  /** @returns {number} */
  const place = () => {
    if (active === null) return -1;
    const near = rows.at(activeAt.current);
    if (near !== undefined && idOf(near) === active) return activeAt.current;
    // The row moved: others came or went before it. Those nearby are looked at, the far ones are not.
    for (let step = 1; step < 2000; step += 1) {
      for (const at of [activeAt.current - step, activeAt.current + step]) {
        const row = at >= 0 && at < rows.length ? rows.at(at) : undefined;
        if (row !== undefined && idOf(row) === active) {
          activeAt.current = at;
          return at;
        }
      }
    }
    return Math.min(activeAt.current, rows.length - 1);
  };

  /** @param {number} at */
  const activate = (at) => {
    const row = rows.at(at);
    activeAt.current = at;
    setActive(row === undefined ? null : idOf(row));
  };

  /** @param {number} from @param {number} to */
  const between = (from, to) => {
    const found = new Set();
    for (let at = Math.min(from, to); at <= Math.max(from, to); at += 1) {
      const row = rows.at(at);
      if (row !== undefined) found.add(idOf(row));
    }
    return found;
  };

  /** @param {number} at @param {any} event */
  const choose = (at, event) => {
    const row = rows.at(at);
    if (!onSelected || row === undefined) return;
    const key = idOf(row);
    if (event.shiftKey) onSelected(between(anchor.current, at));
    else if (event.ctrlKey || event.metaKey) {
      const next = new Set(selected);
      if (!next.delete(key)) next.add(key);
      anchor.current = at;
      onSelected(next);
    } else {
      anchor.current = at;
      onSelected(new Set([key]));
    }
  };

  // -- keyboard

  /** @param {any} event */
  const press = (event) => {
    if (event.target !== box.current) return;
    const at = place();
    const row = at >= 0 ? rows.at(at) : undefined;
    if (onKey?.(event, row)) {
      event.preventDefault();
      return;
    }
    const page = Math.max(1, Math.floor(view.height / tall) - 1);
    const open = row !== undefined ? expanded?.(row) : undefined;
    /** @type {number | null} */
    let to = null;
    switch (event.key) {
      case "ArrowDown": to = at + 1; break;
      case "ArrowUp": to = at < 0 ? 0 : at - 1; break;
      case "PageDown": to = at + page; break;
      case "PageUp": to = at - page; break;
      case "Home": to = 0; break;
      case "End": to = rows.length - 1; break;
      case "ArrowRight":
        if (row === undefined || open === undefined) return;
        if (!open) onToggle?.(row, true);
        else to = at + 1;
        break;
      case "ArrowLeft":
        if (row === undefined || !level) return;
        if (open) onToggle?.(row, false);
        else to = parentOf(at);
        break;
      case "Enter":
        if (row === undefined) return;
        if (onOpen) onOpen(row);
        else if (open !== undefined) onToggle?.(row, !open);
        break;
      case " ":
        if (row === undefined || !onSelected) return;
        choose(at, { ctrlKey: true, shiftKey: event.shiftKey });
        break;
      case "a":
        if (!(event.ctrlKey || event.metaKey) || !onSelected) return;
        onSelected(between(0, rows.length - 1));
        break;
      case "Escape":
        if (!onSelected || !selected?.size) return;
        onSelected(new Set());
        break;
      default: return;
    }
    event.preventDefault();
    if (to === null || !rows.length) return;
    to = Math.max(0, Math.min(rows.length - 1, to));
    activate(to);
    show(to);
    if (onSelected && event.shiftKey) onSelected(between(anchor.current, to));
    else if (!event.ctrlKey && !event.metaKey) anchor.current = to;
  };

  /** @param {number} at */
  const parentOf = (at) => {
    const own = rows.at(at);
    if (own === undefined || !level) return null;
    const wanted = level(own) - 1;
    for (let up = at - 1; up >= 0; up -= 1) {
      const row = rows.at(up);
      if (row !== undefined && level(row) <= wanted) return up;
    }
    return null;
  };

  // -- pointer: one handler for all rows

  /** @param {any} event @returns {number} */
  const under = (event) => {
    const row = event.target.closest?.("[data-at]");
    return row ? Number(row.dataset.at) : -1;
  };
  /** @param {any} event @returns {string | null} */
  const keyUnder = (event) => event.target.closest?.("[data-id]")?.dataset.id ?? null;
  /** @param {any} event */
  const click = (event) => {
    if (event.target.closest("button, a, input, summary") && !event.target.closest(".twist")) return;
    const at = under(event);
    const row = at >= 0 ? rows.at(at) : undefined;
    if (row === undefined) return;
    activate(at);
    const open = expanded?.(row);
    const headed = full?.(row);
    if (open !== undefined && (event.target.closest(".twist") || (headed && !onSelected) || !onOpen)) {
      onToggle?.(row, !open);
    }
    if (!event.target.closest(".twist")) choose(at, event);
  };
  /** @param {any} event */
  const openIt = (event) => {
    if (event.target.closest("button, a, input")) return;
    const row = rows.at(under(event));
    if (row !== undefined && onOpen) onOpen(row);
  };

  const template = useMemo(
    () => ({ "--columns": columns.map((column) => column.width).join(" ") }), [columns],
  );

  if (!rows.length && empty) return html`<div class="list-empty">${empty}</div>`;

  const shown = [];
  const activeNow = place();
  // Squeezed lists stand where the scroll bar is, all others at their own height.
  const shift = squeeze > 1 ? view.top - (firstSeen - first) * tall : first * tall;
  for (let at = first; at < last; at += 1) {
    const row = rows.at(at);
    const key = row === undefined ? `?${at}` : idOf(row);
    const open = row === undefined ? undefined : expanded?.(row);
    const depth = row === undefined ? 1 : level?.(row);
    const chosen = selected?.has(key);
    const across = row === undefined ? null : full?.(row);
    const twist = open === undefined ? null : html`<span class="twist" aria-hidden="true"><${Icon} name=${open ? "bottom" : "forward"} /></span>`;
    shown.push(html`<div key=${key} id=${`${id}-${at}`} role="row" aria-rowindex=${at + 2} data-at=${at} data-id=${key}
      aria-level=${level ? depth : undefined} aria-expanded=${open === undefined ? undefined : String(open)}
      aria-selected=${onSelected ? String(Boolean(chosen)) : undefined} aria-busy=${row === undefined || undefined}
      class=${`list-row ${chosen ? "selected" : ""} ${at === activeNow ? "active" : ""} ${across ? "across" : ""} ${row === undefined ? "unknown" : rowClass?.(row) ?? ""}`}
      style=${{ transform: `translateY(${(at - first) * tall}px)`, height: `${tall}px`, "--level": (depth ?? 1) - 1 }}>
      ${row === undefined
        ? html`<div class="cell" role="gridcell"><span class="ghost-line"></span></div>`
        : across
          ? html`<div class="cell across" role="gridcell" aria-colspan=${columns.length}>${twist}${across}</div>`
          : isNarrow
            ? html`<div class="cell two-lines" role="gridcell">${twist}${narrow(row)}</div>`
            : columns.map((column, number) => html`<div role="gridcell" class=${`cell ${column.end ? "end" : ""} ${number ? "" : "first"}`}>
                ${number ? null : twist}${column.cell(row)}</div>`)}
      ${row !== undefined && actions && (isNarrow || at === activeNow || key === pointed || key === focused) && html`<div class="row-actions" role="gridcell">${actions(row)}</div>`}</div>`);
  }

  return html`<div class=${`list ${level ? "tree" : ""} ${isNarrow ? "narrow" : ""}`} role=${level ? "treegrid" : "grid"} ref=${box}
    tabindex="0" aria-label=${label} aria-rowcount=${rows.length + 1} aria-colcount=${columns.length}
    aria-multiselectable=${onSelected ? "true" : undefined}
    aria-activedescendant=${activeNow >= first && activeNow < last ? `${id}-${activeNow}` : undefined}
    style=${template} onKeyDown=${press} onClick=${click} onDblClick=${openIt}
    onPointerOver=${actions && ((/** @type {any} */ event) => setPointed(keyUnder(event)))} onPointerLeave=${actions && (() => setPointed(null))}
    onFocusIn=${actions && ((/** @type {any} */ event) => setFocused(keyUnder(event)))} onFocusOut=${actions && (() => setFocused(null))}
    onFocus=${(/** @type {any} */ event) => { if (event.target === box.current && active === null && rows.length) activate(firstSeen); }}>
    <div class="list-head" role="row" aria-rowindex="1">${columns.map((column) => html`
      <div role="columnheader" class=${`cell ${column.end ? "end" : ""}`}
        aria-sort=${sort?.by === column.id ? (sort.down ? "descending" : "ascending") : undefined}>
        ${column.sort && onSort
          ? html`<button type="button" aria-label=${column.label ? t("list.sort", { title: column.label }) : undefined}
              onClick=${() => onSort(column.id, sort?.by === column.id ? !sort.down : Boolean(column.end))}>${column.title}${sort?.by === column.id
              ? html`<${Icon} name=${sort.down ? "bottom" : "top"} />` : null}</button>`
          : column.title}</div>`)}</div>
    <div class="list-body" role="rowgroup" style=${{ height: `${whole}px` }}>
      <div class="list-window" style=${{ transform: `translateY(${shift}px)` }}>${shown}</div></div></div>`;
}
