// Wishes, which are searched for again and again, and goals, which go from one copy to the next until it is here.

import { api, p } from "../lib/api.js";
import { wholeCopies } from "../lib/copies.js";
import { ask } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { ago, baseName, count, folderOf, size, speed } from "../lib/format.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { List } from "../lib/list.js";
import { Person } from "../lib/person.js";
import { go, href, setQuery } from "../lib/route.js";
import { goalLine } from "../lib/told.js";
import { said, t } from "../lib/texts.js";
import { report, toast } from "../lib/toast.js";
import {
  Badge,
  Button,
  Changing,
  Details,
  Empty,
  Field,
  Icon,
  IconButton,
  Loading,
  Page,
  Progress,
  Switch,
  Tabs,
  Trouble,
  html,
  useEffect,
  useMemo,
  useState,
} from "../lib/ui.js";

export const name = "wishes";
export const title = "nav.wishes";
export const icon = "wishes";
export const place = "more";

/**
 * Something that is searched for again and again.
 * @typedef {object} Wish
 * @property {string} query
 * @property {string} filter
 * @property {string} last_sent ISO 8601, empty before the first time
 * @property {number} found
 * @property {"" | "once" | "best"} download whether the first hit, or the best of a round, is downloaded by itself
 * @property {string | null} goal what downloads it
 * @property {boolean} fulfilled it is here, and not searched for any more
 */

/**
 * A file that was found.
 * @typedef {object} Hit
 * @property {string} username
 * @property {string} path
 * @property {number} size
 * @property {number | null} [length]
 * @property {boolean} [free_slot]
 * @property {number} [speed]
 * @property {string} [at]
 */

/**
 * Something wanted, whoever has it.
 * @typedef {object} Goal
 * @property {string} id
 * @property {string} name
 * @property {"under way" | "paused" | "finished" | "failed" | "dropped"} state
 * @property {{ username: string, files: number, size: number }[]} candidates
 * @property {number} turn which candidate is being tried
 * @property {number} done bytes
 * @property {number} size bytes
 * @property {number} files
 * @property {number} files_here
 * @property {string | null} destination
 * @property {string[]} story
 * @property {{ code: string, params: Record<string, string> }[]} steps
 */

/** @param {{ query: URLSearchParams }} props */
export function View({ query }) {
  const show = query.get("show") ?? "wishes";
  const tabs = [
    { id: "wishes", title: t("wishes.wishes") },
    { id: "goals", title: t("wishes.goals") },
    { id: "new", title: t("wishes.newGoal") },
  ];
  return html`
    <${Page} title=${t("nav.wishes")} fill>
      <${Tabs} label=${t("nav.wishes")} items=${tabs} value=${show} onChange=${(/** @type {string} */ id) => setQuery({ show: id, wish: null })} />
      ${show === "goals"
        ? html`<${GoalList} />`
        : show === "new"
          ? html`<${NewGoal} words=${query.get("words") ?? ""} />`
          : html`<${WishList} chosen=${query.get("wish") ?? ""} />`}
    <//>
  `;
}

// -- wishes

/** @param {{ chosen: string }} props */
function WishList({ chosen }) {
  const { data, error, loading, reload } = useLoad((signal) => api.get("wishes", {}, { signal }), []);
  useEvents(["wish", "goal"], reload);
  const [remove] = useAction(async (/** @type {Wish} */ wish) => {
    const sure = await ask({
      title: t("wishes.removeTitle"),
      text: t("wishes.removeText", { wish: wish.query }),
      action: t("wishes.remove"),
      danger: true,
    });
    if (!sure) return;
    await api.delete("wishes", { query: wish.query });
    if (chosen === wish.query) setQuery({ wish: null });
    reload();
  });
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("wishes.loading")} />`;
  const rows = /** @type {Wish[]} */ (data.items);
  const open = rows.find((wish) => wish.query === chosen);
  const columns = [
    { id: "query", title: t("wishes.wish"), width: "minmax(10rem, 1.4fr)", cell: (/** @type {Wish} */ wish) => html`<${WishName} wish=${wish} />` },
    { id: "filter", title: t("wishes.filter"), width: "minmax(6rem, 1fr)", cell: (/** @type {Wish} */ wish) => html`<code class="muted">${wish.filter}</code>` },
    { id: "sent", title: t("wishes.sent"), width: "10rem", cell: (/** @type {Wish} */ wish) => html`<span class="muted">${sent(wish)}</span>` },
    { id: "found", title: t("wishes.found"), width: "5rem", end: true, cell: (/** @type {Wish} */ wish) => count(wish.found) },
  ];
  return html`
    <${NewWish} reload=${reload} />
    <div class=${open ? "halves" : "fills"}>
      <${List}
        label=${t("wishes.wishes")}
        rows=${rows}
        idOf=${(/** @type {Wish} */ wish) => wish.query}
        columns=${columns}
        narrow=${(/** @type {Wish} */ wish) => html`
          <div class="two"><div><${WishName} wish=${wish} /></div>
          <div class="muted small clip">${[t("wishes.hits", { count: wish.found }), sent(wish), wish.filter].filter(Boolean).join(" · ")}</div></div>
        `}
        rowClass=${(/** @type {Wish} */ wish) => (wish.query === chosen ? "chosen" : "")}
        onOpen=${(/** @type {Wish} */ wish) => setQuery({ wish: wish.query })}
        actions=${(/** @type {Wish} */ wish) => html`
          <${Button} kind="ghost" onClick=${() => setQuery({ wish: wish.query })}>${t("wishes.results")}<//>
          <${IconButton} changes icon="search" label=${t("wishes.searchNow", { wish: wish.query })} onClick=${() => searchFor(wish.query)} />
          <${IconButton} changes icon="trash" label=${t("wishes.removeNamed", { wish: wish.query })} onClick=${() => remove(wish)} />
        `}
        empty=${html`<${Empty} icon="wishes" title=${t("wishes.none")} text=${t("wishes.noneText")} />`}
      />
      ${open && html`<${Results} key=${open.query} wish=${open} />`}
    </div>
  `;
}

/** @param {{ wish: Wish }} props */
function WishName({ wish }) {
  return html`
    <span class="row clip">
      <b class="clip" dir="auto">${wish.query}</b>
      ${wish.fulfilled
        ? html`<${Badge} tone="good">${t("wishes.fulfilled")}<//>`
        : wish.goal
          ? html`<${Badge} tone="accent">${t("wishes.coming")}<//>`
          : wish.download && html`<${Badge} tone="plain">${wish.download === "best" ? t("wishes.best") : t("wishes.once")}<//>`}
    </span>
  `;
}

/** @param {Wish} wish */
function sent(wish) {
  if (wish.fulfilled) return t("wishes.noMore");
  return wish.last_sent ? t("wishes.sentAgo", { ago: ago(wish.last_sent) }) : t("wishes.notSent");
}

/** @param {string} words */
function searchFor(words) {
  location.hash = `${href("search")}?q=${encodeURIComponent(words)}`;
}

/** @param {{ reload: () => void }} props */
function NewWish({ reload }) {
  const [query, setQuery_] = useState("");
  const [filter, setFilter] = useState("");
  const [download, setDownload] = useState("");
  const [problem, setProblem] = useState({ query: "", filter: "" });
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    // Taken back now, not with the answer: the list is fed by events, and must not move under the mouse of
    // somebody who is there already.
    setProblem({ query: "", filter: "" });
    try {
      await api.post("wishes", { query: query.trim(), filter: filter.trim(), download });
      setQuery_("");
      setFilter("");
      reload();
    } catch (error) {
      const message = /** @type {Error} */ (error).message;
      setProblem(filter && /filter/i.test(message) ? { query: "", filter: message } : { query: message, filter: "" });
    }
    setBusy(false);
  };
  return html`
    <form class="wish-new" onSubmit=${submit}><${Changing}>
      <${Field} label=${t("wishes.words")} error=${problem.query}>
        <input
          value=${query}
          maxlength="256"
          placeholder=${t("wishes.wordsExample")}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setQuery_(event.currentTarget.value)}
        />
      <//>
      <${Field} label=${t("wishes.filterLabel")} error=${problem.filter}>
        <input
          value=${filter}
          maxlength="1000"
          placeholder="type:flac size>10mb"
          spellcheck=${false}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setFilter(event.currentTarget.value)}
        />
      <//>
      <${Field} label=${t("wishes.when")}>
        <select value=${download} onChange=${(/** @type {{ currentTarget: HTMLSelectElement }} */ event) => setDownload(event.currentTarget.value)}>
          <option value="" selected=${download === ""}>${t("wishes.tell")}</option>
          <option value="once" selected=${download === "once"}>${t("wishes.once")}</option>
          <option value="best" selected=${download === "best"}>${t("wishes.best")}</option>
        </select>
      <//>
      <${Button} type="submit" kind="primary" icon="plus" busy=${busy} disabled=${query.trim().length < 3}>${t("wishes.add")}<//>
    <//></form>
  `;
}

/** What was found for a wish so far, newest first. @param {{ wish: Wish }} props */
function Results({ wish }) {
  const { data, error, loading, reload } = useLoad(
    (signal) => api.all("wishes/results", { query: wish.query }, { signal, most: 1000 }),
    [wish.query],
  );
  useEvents(["wish.WishFound"], ({ kind, data: told }) => {
    if (kind === "missed" || told.query === wish.query) reload();
  });
  const [download] = useAction(async (/** @type {Hit} */ hit) => {
    const taken = await api.post("downloads", { username: hit.username, files: [{ path: hit.path, size: hit.size, length: hit.length ?? null }] });
    if (taken.refused.length > 0) throw new Error(said(taken.refused[0].reason));
    toast(t("wishes.wanted", { file: baseName(hit.path) }), { tone: "good", action: { title: t("wishes.toTransfers"), run: () => go("transfers") } });
  });
  const columns = [
    { id: "file", title: t("wishes.file"), width: "minmax(10rem, 1.4fr)", cell: (/** @type {Hit} */ hit) => html`<span dir="auto" title=${hit.path}>${baseName(hit.path)}</span>` },
    { id: "folder", title: t("wishes.folder"), width: "minmax(6rem, 1fr)", cell: (/** @type {Hit} */ hit) => html`<span class="muted" dir="auto">${baseName(folderOf(hit.path))}</span>` },
    { id: "user", title: t("wishes.user"), width: "9rem", cell: (/** @type {Hit} */ hit) => html`<${Person} name=${hit.username} />` },
    { id: "size", title: t("wishes.size"), width: "5.5rem", end: true, cell: (/** @type {Hit} */ hit) => size(hit.size) },
  ];
  return html`
    <section class="fills" aria-label=${t("wishes.resultsOf", { wish: wish.query })}>
      <header class="talk-title">
        <h2 class="clip">${t("wishes.resultsOf", { wish: wish.query })}</h2>
        <span class="grow"></span>
        <${IconButton} icon="close" label=${t("wishes.close")} onClick=${() => setQuery({ wish: null })} />
      </header>
      ${error && !data && html`<${Trouble} error=${error} retry=${reload} />`}
      ${loading && !data && html`<${Loading} label=${t("wishes.loading")} />`}
      ${data &&
      html`
        <${List}
          label=${t("wishes.resultsOf", { wish: wish.query })}
          rows=${data}
          idOf=${(/** @type {Hit} */ hit) => `${hit.username}\n${hit.path}`}
          columns=${columns}
          narrow=${(/** @type {Hit} */ hit) => html`
            <div class="two"><div class="clip" dir="auto">${baseName(hit.path)}</div>
            <div class="muted small clip">${hit.username} · ${size(hit.size)} · ${baseName(folderOf(hit.path))}</div></div>
          `}
          onOpen=${download}
          actions=${(/** @type {Hit} */ hit) => html`
            <${IconButton} changes icon="down" label=${t("wishes.download", { file: baseName(hit.path) })} onClick=${() => download(hit)} />
            <${IconButton} changes icon="browse" label=${t("wishes.browse", { user: hit.username })} onClick=${() => go("browse", hit.username)} />
          `}
          empty=${html`<${Empty} icon="wishes" title=${t("wishes.nothingYet")} text=${t("wishes.nothingYetText")} />`}
        />
      `}
    </section>
  `;
}

// -- goals

/** @type {Record<Goal["state"], "plain" | "good" | "warn" | "bad" | "accent">} */
const TONES = { "under way": "accent", paused: "warn", finished: "good", failed: "bad", dropped: "plain" };

/** @param {Goal["state"]} state */
function stateName(state) {
  if (state === "under way") return t("wishes.underWay");
  if (state === "paused") return t("wishes.paused");
  if (state === "finished") return t("wishes.finished");
  return state === "failed" ? t("wishes.failed") : t("wishes.dropped");
}

function GoalList() {
  const { data, error, loading, reload } = useLoad((signal) => api.get("goals", {}, { signal }), []);
  // Bytes move all the time: goals are looked at again when a file of any kind ended, not for each byte.
  useEvents(["goal", "transfer.DownloadFinished", "transfer.TransferMoved"], reload);
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("wishes.loading")} />`;
  const goals = /** @type {Goal[]} */ (data.items);
  if (goals.length === 0) {
    return html`
      <${Empty} icon="goals" title=${t("wishes.noGoals")} text=${t("wishes.noGoalsText")}>
        <${Button} changes kind="primary" icon="plus" onClick=${() => setQuery({ show: "new" })}>${t("wishes.newGoal")}<//>
      <//>
    `;
  }
  return html`
    <div class="scroll padded">
      <ul class="goals">
        ${goals.map((goal) => html`<li key=${goal.id} class="card" data-id=${goal.id}><${OneGoal} goal=${goal} reload=${reload} /></li>`)}
      </ul>
    </div>
  `;
}

/** @param {{ goal: Goal, reload: () => void }} props */
function OneGoal({ goal, reload }) {
  const [act, busy] = useAction(async (/** @type {"pause" | "resume" | "cancel"} */ what) => {
    await api.post(p`goals/${goal.id}/${what}`);
    reload();
  });
  const cancel = async () => {
    const sure = await ask({ title: t("wishes.cancelGoal"), text: t("wishes.cancelGoalText", { goal: goal.name }), action: t("wishes.cancelGoal"), danger: true });
    if (sure) await act("cancel");
  };
  const alive = goal.state === "under way" || goal.state === "paused";
  const now = goal.candidates[Math.max(0, goal.turn)];
  const part = goal.size > 0 ? goal.done / goal.size : goal.state === "finished" ? 1 : 0;
  return html`
    <header class="row">
      <h2 class="grow clip" dir="auto">${goal.name}</h2>
      <${Badge} tone=${TONES[goal.state]}>${stateName(goal.state)}<//>
      ${goal.state === "under way" && html`<${IconButton} changes icon="pause" label=${t("wishes.pause")} disabled=${busy} onClick=${() => act("pause")} />`}
      ${goal.state === "paused" && html`<${IconButton} changes icon="resume" label=${t("wishes.resume")} disabled=${busy} onClick=${() => act("resume")} />`}
      ${alive && html`<${IconButton} changes icon="close" label=${t("wishes.cancelGoal")} disabled=${busy} onClick=${cancel} />`}
    </header>
    <${Progress} value=${part} label=${t("wishes.progress", { goal: goal.name })} tone=${goal.state === "failed" ? "bad" : goal.state === "finished" ? "good" : "accent"} />
    <p class="row wrap small muted num">
      <span>${t("wishes.filesHere", { here: goal.files_here, count: goal.files })}</span>
      <span>${size(goal.done)} / ${size(goal.size)}</span>
      ${goal.destination && html`<span class="clip" title=${goal.destination}>→ ${goal.destination}</span>`}
    </p>
    ${now &&
    alive &&
    html`<p class="row wrap small">
      <span class="muted">${t("wishes.candidate", { turn: Math.max(0, goal.turn) + 1, of: goal.candidates.length })}</span>
      <${Person} name=${now.username} />
    </p>`}
    <${Details} title=${t("wishes.story", { count: goal.story.length })}>
      <ol class="small story">
        ${goal.candidates.map(
          (candidate, at) => html`
            <li key=${candidate.username} class="row">
              <${Icon} name=${at !== goal.turn ? "free" : goal.state === "finished" ? "check" : "forward"} />
              <${Person} name=${candidate.username} />
              <span class="muted num">${t("wishes.copy", { count: candidate.files, size: size(candidate.size) })}</span>
            </li>
          `,
        )}
      </ol>
      <ol class="small story muted">${goal.story.map((line, at) => html`<li key=${at} dir="auto">${goalLine(goal.steps[at], line)}</li>`)}</ol>
    <//>
  `;
}

/**
 * A folder of a search: one copy.
 * @typedef {object} Copy
 * @property {string} username
 * @property {string} folder
 * @property {number} count
 * @property {number} size
 * @property {boolean} free_slot
 * @property {number} speed
 * @property {number} queue
 * @property {{ path: string, size: number, length?: number | null }[]} files those that the words matched
 */

/** @param {Copy} copy */
const copyId = (copy) => `${copy.username}\n${copy.folder}`;

/** Search, tick the copies that would do, and let the daemon get one of them. @param {{ words: string }} props */
function NewGoal({ words }) {
  const [text, setText] = useState(words);
  const [search, setSearch] = useState(/** @type {{ id: string, text: string, complete: boolean } | null} */ (null));
  const [copies, setCopies] = useState(/** @type {Copy[]} */ ([]));
  const [chosen, setChosen] = useState(/** @type {Map<string, Copy>} */ (new Map()));
  const [goal, setGoal] = useState("");
  const [whole, setWhole] = useState(true);

  const load = async (/** @type {string} */ id) => {
    const found = await api.get(p`searches/${id}/files`, { group: "folder", sort: "speed", order: "desc", limit: 300 });
    setCopies(found.items);
  };
  const [begin, busy] = useAction(async () => {
    const found = await api.post("searches", { text: text.trim() });
    setCopies([]);
    setChosen(new Map());
    setSearch(found);
    setGoal((old) => old || text.trim());
  });
  useEvents(["search.changed"], ({ kind, data }) => {
    if (search === null || (kind !== "missed" && data.id !== search.id)) return;
    if (data.complete) setSearch((old) => old && { ...old, complete: true });
    load(search.id).catch(report);
  });
  useEffect(() => {
    if (search) load(search.id).catch(report);
  }, [search?.id]);
  const [create, creating] = useAction(async () => {
    const { candidates, may_miss, unasked } = await wholeCopies([...chosen.values()]);
    await api.post("goals", { name: goal.trim(), candidates, whole, may_miss });
    toast(t("wishes.goalMade", { goal: goal.trim() }), { tone: "good" });
    if (unasked.length) toast(t("wishes.unasked", { users: unasked.join(", ") }));
    setQuery({ show: "goals", words: null });
  });
  const toggle = (/** @type {Copy} */ copy) => {
    const next = new Map(chosen);
    if (!next.delete(copyId(copy))) next.set(copyId(copy), copy);
    setChosen(next);
  };
  const order = useMemo(() => [...chosen.keys()], [chosen]);
  const tick = (/** @type {Copy} */ copy) => {
    const at = order.indexOf(copyId(copy));
    return html`
      <input
        type="checkbox"
        tabindex="-1"
        aria-label=${t("wishes.tick", { folder: baseName(copy.folder), user: copy.username })}
        checked=${at >= 0}
        onChange=${() => toggle(copy)}
      />
      <span class="num small muted tick">${at >= 0 ? at + 1 : ""}</span>
    `;
  };
  const columns = [
    { id: "tick", title: t("wishes.order"), width: "4rem", cell: tick },
    { id: "folder", title: t("wishes.folder"), width: "minmax(10rem, 1fr)", cell: (/** @type {Copy} */ copy) => html`<span dir="auto" title=${copy.folder}>${baseName(copy.folder) || copy.folder}</span>` },
    { id: "user", title: t("wishes.user"), width: "9rem", cell: (/** @type {Copy} */ copy) => html`<${Person} name=${copy.username} />` },
    { id: "files", title: t("wishes.files"), width: "5rem", end: true, cell: (/** @type {Copy} */ copy) => count(copy.count) },
    { id: "size", title: t("wishes.size"), width: "6rem", end: true, cell: (/** @type {Copy} */ copy) => size(copy.size) },
    { id: "speed", title: t("wishes.speed"), width: "7rem", end: true, cell: (/** @type {Copy} */ copy) => (copy.free_slot ? speed(copy.speed) : t("wishes.queued", { count: copy.queue })) },
  ];
  return html`
    <form
      class="wish-new"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        begin();
      }}
    ><${Changing}>
      <${Field} label=${t("wishes.goalWords")} hint=${t("wishes.goalHint")}>
        <input value=${text} onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setText(event.currentTarget.value)} />
      <//>
      <${Button} type="submit" icon="search" kind=${search ? "plain" : "primary"} busy=${busy} disabled=${text.trim().length < 3}>${t("wishes.findCopies")}<//>
    <//></form>
    ${!search && html`<${Empty} icon="goals" title=${t("wishes.goalWhat")} text=${t("wishes.goalWhatText")} />`}
    ${search &&
    html`
      <${List}
        label=${t("wishes.copies")}
        rows=${copies}
        idOf=${copyId}
        columns=${columns}
        narrow=${(/** @type {Copy} */ copy) => html`
          <div class="two"><div class="row clip">${tick(copy)}<span class="clip" dir="auto">${baseName(copy.folder)}</span></div>
          <div class="muted small clip">${copy.username} · ${t("wishes.copy", { count: copy.count, size: size(copy.size) })}</div></div>
        `}
        onOpen=${toggle}
        empty=${search.complete
          ? html`<${Empty} icon="search" title=${t("wishes.noCopies")} text=${t("wishes.noCopiesText")} />`
          : html`<${Loading} label=${t("wishes.searching")} />`}
      />
      <footer class="save-bar">
        <span class="num">${t("wishes.ticked", { count: chosen.size })}</span>
        <label class="row grow">
          <span>${t("wishes.goalName")}</span>
          <input class="grow" value=${goal} onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setGoal(event.currentTarget.value)} />
        </label>
        <${Switch} label=${t("wishes.whole")} checked=${whole} onChange=${setWhole} />
        <${Button} changes kind="primary" busy=${creating} disabled=${chosen.size === 0 || !goal.trim()} onClick=${create}>${t("wishes.makeGoal")}<//>
      </footer>
    `}
  `;
}
