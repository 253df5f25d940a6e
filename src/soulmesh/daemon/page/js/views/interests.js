// Interests: what we like and dislike, what that recommends, and who likes the same.

import { api, p } from "../lib/api.js";
import { useEvents } from "../lib/events.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person } from "../lib/person.js";
import { barred } from "../lib/rights.js";
import { go, href, setQuery } from "../lib/route.js";
import { t } from "../lib/texts.js";
import { Button, Changing, Empty, Icon, IconButton, Loading, Page, Tabs, Trouble, html, useState } from "../lib/ui.js";

export const name = "interests";
export const title = "nav.interests";
export const icon = "heart";
export const place = "more";

/** @typedef {{ item: string, score: number }} Scored */
/** @typedef {{ liked: string[], hated: string[] }} Mine */

/** @param {{ query: URLSearchParams }} props */
export function View({ query }) {
  const mine = useLoad((signal) => api.get("interests", {}, { signal }), []);
  useEvents(["missed"], mine.reload);
  const [change] = useAction(async (/** @type {"liked" | "hated"} */ what, /** @type {string} */ item, /** @type {boolean} */ wanted) => {
    const path = p`interests/${what}/${item}`;
    await (wanted ? api.put(path) : api.delete(path));
    mine.reload();
  });
  const item = query.get("item") ?? "";
  const kind = item ? "item" : (query.get("kind") ?? "mine");
  const tabs = [
    { id: "mine", title: t("interests.mine") },
    { id: "global", title: t("interests.global") },
    { id: "users", title: t("interests.users") },
    ...(item ? [{ id: "item", title: item }] : []),
  ];
  if (mine.error && !mine.data) {
    return html`<${Page} title=${t("nav.interests")}><${Trouble} error=${mine.error} retry=${mine.reload} /><//>`;
  }
  const found = /** @type {Mine} */ (mine.data ?? { liked: [], hated: [] });
  return html`
    <${Page} title=${t("nav.interests")} fill>
      <div class="interests">
        <div class="stack scroll padded">
          <${Mine} title=${t("interests.liked")} add=${t("interests.addLiked")} icon="heart" tone="good" items=${found.liked} change=${(
            /** @type {string} */ one,
            /** @type {boolean} */ wanted,
          ) => change("liked", one, wanted)} />
          <${Mine} title=${t("interests.hated")} add=${t("interests.addHated")} icon="ban" tone="bad" items=${found.hated} change=${(
            /** @type {string} */ one,
            /** @type {boolean} */ wanted,
          ) => change("hated", one, wanted)} />
          <p class="muted small">${t("interests.public")}</p>
        </div>
        <div class="fills">
          <${Tabs}
            label=${t("interests.recommended")}
            items=${tabs}
            value=${kind}
            onChange=${(/** @type {string} */ id) => setQuery({ kind: id, item: id === "item" ? item : null })}
          />
          ${kind === "users"
            ? html`<${Similar} mine=${found} />`
            : html`<${Recommended} key=${kind + item} kind=${kind} item=${item} mine=${found} change=${change} />`}
        </div>
      </div>
    <//>
  `;
}

/**
 * @param {{ title: string, add: string, icon: string, tone: string, items: string[],
 *           change: (item: string, wanted: boolean) => Promise<unknown> }} props
 */
function Mine({ title: heading, add, icon: sign, tone, items, change }) {
  const [text, setText] = useState("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const item = text.trim().toLowerCase();
    if (!item) return;
    await change(item, true);
    setText("");
  };
  return html`
    <section class="card">
      <h2 class="row"><${Icon} name=${sign} /> ${heading}</h2>
      <form class="row" onSubmit=${submit}><${Changing}>
        <input
          class="grow"
          aria-label=${add}
          placeholder=${add}
          maxlength="64"
          value=${text}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setText(event.currentTarget.value)}
        />
        <${Button} type="submit" icon="plus" disabled=${!text.trim()}>${t("interests.add")}<//>
      <//></form>
      ${items.length === 0
        ? html`<p class="muted small">${t("interests.noneYet")}</p>`
        : html`
            <ul class="chips" aria-label=${heading}>
              ${items.map(
                (item) => html`
                  <li key=${item} class=${`chip ${tone}`}>
                    <a href=${href("interests") + "?item=" + encodeURIComponent(item)} dir="auto">${item}</a>
                    <button class="chip-x" disabled=${Boolean(barred())} title=${barred()} aria-label=${t("interests.remove", { item })} onClick=${() => change(item, false)}>
                      <${Icon} name="close" />
                    </button>
                  </li>
                `,
              )}
            </ul>
          `}
    </section>
  `;
}

/**
 * @param {{ kind: string, item: string, mine: Mine,
 *           change: (what: "liked" | "hated", item: string, wanted: boolean) => Promise<unknown> }} props
 */
function Recommended({ kind, item, mine, change }) {
  const own = kind === "mine" ? mine.liked.join("\n") + "\n\n" + mine.hated.join("\n") : "";
  const { data, error, loading, reload } = useLoad(
    (signal) => api.get("recommendations", item ? { item } : { kind }, { signal }),
    [kind, item, own],
  );
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("interests.asking")} />`;
  const rows = /** @type {Scored[]} */ (data.items);
  /** @param {Scored} found */
  const marks = (found) => html`
    <${IconButton}
      changes
      icon="heart"
      label=${t("interests.like", { item: found.item })}
      pressed=${mine.liked.includes(found.item)}
      onClick=${() => change("liked", found.item, !mine.liked.includes(found.item))}
    />
    <${IconButton}
      changes
      icon="ban"
      label=${t("interests.hate", { item: found.item })}
      pressed=${mine.hated.includes(found.item)}
      onClick=${() => change("hated", found.item, !mine.hated.includes(found.item))}
    />
    <${IconButton} changes icon="search" label=${t("interests.search", { item: found.item })} onClick=${() => (location.hash = href("search") + "?q=" + encodeURIComponent(found.item))} />
  `;
  return html`
    <${List}
      label=${t("interests.recommended")}
      rows=${rows}
      idOf=${(/** @type {Scored} */ found) => found.item}
      columns=${[
        { id: "item", title: t("interests.item"), width: "1fr", cell: (/** @type {Scored} */ found) => html`<span dir="auto">${found.item}</span>` },
        { id: "score", title: t("interests.score"), width: "7rem", end: true, cell: (/** @type {Scored} */ found) => String(found.score) },
      ]}
      narrow=${(/** @type {Scored} */ found) => html`
        <div class="two"><div class="clip" dir="auto">${found.item}</div>
        <div class="muted small num">${t("interests.scored", { score: String(found.score) })}</div></div>
      `}
      onOpen=${(/** @type {Scored} */ found) => setQuery({ item: found.item, kind: null })}
      actions=${marks}
      empty=${html`
        <${Empty}
          icon="heart"
          title=${t("interests.nothing")}
          text=${kind === "mine" && mine.liked.length === 0 ? t("interests.nothingMine") : t("interests.nothingText")}
        >
          <${Button} icon="again" onClick=${reload}>${t("interests.again")}<//>
        <//>
      `}
    />
  `;
}

/** @param {{ mine: Mine }} props */
function Similar({ mine }) {
  const { data, error, loading, reload } = useLoad((signal) => api.get("recommendations", { kind: "users" }, { signal }), [mine.liked.join("\n")]);
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("interests.asking")} />`;
  return html`
    <${List}
      label=${t("interests.users")}
      rows=${/** @type {Scored[]} */ (data.items)}
      idOf=${(/** @type {Scored} */ found) => found.item}
      columns=${[
        { id: "user", title: t("interests.user"), width: "1fr", cell: (/** @type {Scored} */ found) => html`<${Person} name=${found.item} />` },
        { id: "score", title: t("interests.common"), width: "9rem", end: true, cell: (/** @type {Scored} */ found) => String(found.score) },
      ]}
      narrow=${(/** @type {Scored} */ found) => html`
        <div class="two"><div class="clip"><${Person} name=${found.item} /></div>
        <div class="muted small num">${t("interests.commonCount", { count: found.score })}</div></div>
      `}
      onOpen=${(/** @type {Scored} */ found) => go("users", found.item)}
      empty=${html`<${Empty} icon="users" title=${t("interests.noUsers")} text=${t("interests.noUsersText")} />`}
    />
  `;
}
