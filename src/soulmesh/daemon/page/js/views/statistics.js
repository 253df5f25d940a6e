// Statistics: how fast files travel, how many searches pass, where we are in the network, and how hard we may ask.

import { api } from "../lib/api.js";
import { useEvents } from "../lib/events.js";
import { count, seconds, size, speed } from "../lib/format.js";
import { useLoad } from "../lib/hooks.js";
import { useStatus } from "../lib/status.js";
import { keptUp } from "../lib/pushed.js";
import { locale, t } from "../lib/texts.js";
import { Badge, Loading, Page, Tabs, Trouble, html, useEffect, useMemo, useState } from "../lib/ui.js";
import { Mesh } from "../parts/mesh.js";
import { Plot } from "../parts/plot.js";

export const name = "statistics";
export const title = "nav.statistics";
export const icon = "statistics";
export const place = "more";

/**
 * One moment. Speeds are bytes per second, searches per second.
 * @typedef {object} Sample
 * @property {number} at seconds since the epoch
 * @property {number} download
 * @property {number} upload
 * @property {number} seen
 * @property {number} forwarded
 * @property {number} answered
 */

/** How many moments the plot of minutes shows: an hour of them, if one comes every two seconds. */
const KEPT = 1800;

/** @param {any} item @returns {Sample} */
function sample(item) {
  const { download, upload, searches: seen, forwarded, answered } = item;
  // Samples that are kept have seconds, those that are pushed a time in words.
  const at = typeof item.at === "number" ? item.at : Date.parse(item.at) / 1000;
  return { at, download, upload, seen, forwarded, answered };
}

/**
 * With one more at the end; one that is there already stays. A clock that was set back begins a new curve.
 * @param {Sample[]} known @param {Sample} next */
function following(known, next) {
  const newest = known[known.length - 1];
  if (newest && Math.abs(newest.at - next.at) < 0.5) return known;
  return newest && newest.at >= next.at ? [next] : [...known.slice(1 - KEPT), next];
}

export function View() {
  const [span, setSpan] = useState("minutes");
  const totals = useLoad((signal) => api.get("statistics", {}, { signal }), []);
  const tree = useLoad((signal) => api.get("tree", {}, { signal }), []);
  const [samples, setSamples] = useState(/** @type {Sample[]} */ ([]));
  const curve = useMemo(() => keptUp(/** @param {(known: Sample[]) => Sample[]} change */ (change) => setSamples(change)), []);
  // Set as soon as it is here: a sample that is told after that is added to it.
  const speeds = useLoad(
    (signal) => curve.ask(async () => /** @type {Sample[]} */ ((await api.get("statistics/speeds", { span }, { signal })).items.map(sample))).then((found) => {
      if (found && !signal.aborted) setSamples(found);
      return true;
    }),
    [span],
  );
  useEvents(["statistics.sample"], ({ kind, data }) => {
    if (kind === "missed") speeds.reload();
    else if (span === "minutes") curve.tell((known) => following(known, sample(data)));
  });
  useEvents(["tree", "link"], tree.reload);
  useEvents(["transfer.DownloadFinished", "transfer.UploadFinished"], totals.reload);

  const spans = html`
    <${Tabs}
      label=${t("statistics.span")}
      items=${[
        { id: "minutes", title: t("statistics.minutes") },
        { id: "day", title: t("statistics.day") },
      ]}
      value=${span}
      onChange=${(/** @type {string} */ next) => { setSamples([]); setSpan(next); }}
    />
  `;
  const error = totals.error ?? speeds.error;
  if (error && !totals.data) {
    return html`<${Page} title=${t("nav.statistics")}><${Trouble} error=${error} retry=${totals.reload} /><//>`;
  }
  return html`
    <${Page} title=${t("nav.statistics")} actions=${spans}>
      <div class="stack">
        <${Tiles} numbers=${totals.data?.items} newest=${samples[samples.length - 1]} tree=${tree.data} />
        <${Curves} samples=${samples} loading=${speeds.loading && samples.length === 0} />
        <div class="grid-2 wide-gap">
          <${Network} tree=${tree.data} error=${tree.error} reload=${tree.reload} />
          <${Governor} />
        </div>
      </div>
    <//>
  `;
}

/** @param {{ numbers: Record<string, number> | undefined, newest: Sample | undefined, tree: any }} props */
function Tiles({ numbers, newest, tree }) {
  const of = (/** @type {string} */ key) => numbers?.[key] ?? 0;
  const tiles = [
    { value: speed(newest?.download ?? 0), label: t("statistics.downNow"), more: t("statistics.downTotal", { size: size(of("slskd_transfers_downloads_completed_bytes")), count: of("slskd_transfers_downloads_completed_succeeded") }) },
    { value: speed(newest?.upload ?? 0), label: t("statistics.upNow"), more: t("statistics.upTotal", { size: size(of("slskd_transfers_uploads_completed_bytes")), count: of("slskd_transfers_uploads_completed_succeeded") }) },
    { value: rate(newest?.seen ?? tree?.searches?.per_second ?? 0), label: t("statistics.searchesNow"), more: t("statistics.answeredTotal", { count: tree?.searches?.answered ?? 0 }) },
    { value: count(of("soulmesh_shared_files")), label: t("statistics.shared"), more: t("statistics.memory", { size: size(of("process_resident_memory_bytes")) }) },
  ];
  return html`
    <div class="tiles card">
      ${tiles.map(
        ({ value, label, more }) => html`
          <div class="tile" key=${label}><b class="num">${value}</b><span>${label}</span><small class="muted num">${more}</small></div>
        `,
      )}
    </div>
  `;
}

const tenths = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

/** @param {number} value */
function rate(value) {
  return t("statistics.perSecond", { rate: tenths.format(value) });
}

/** @param {{ samples: Sample[], loading: boolean }} props */
function Curves({ samples, loading }) {
  const { at, speeds, searches } = useMemo(
    () => ({
      at: samples.map((one) => one.at),
      speeds: [samples.map((one) => one.download), samples.map((one) => one.upload)],
      searches: [samples.map((one) => one.seen), samples.map((one) => one.forwarded), samples.map((one) => one.answered)],
    }),
    [samples],
  );
  if (loading) return html`<section class="card"><${Loading} label=${t("statistics.loading")} /></section>`;
  if (samples.length < 2) {
    return html`<section class="card"><p class="muted">${t("statistics.early")}</p></section>`;
  }
  return html`
    <section class="card">
      <h2>${t("statistics.speeds")}</h2>
      <${Plot}
        label=${t("statistics.speeds")}
        at=${at}
        values=${speeds}
        format=${speed0}
        least=${10_240}
        curves=${[
          { title: t("statistics.down"), token: "--accent", filled: true },
          { title: t("statistics.up"), token: "--good", filled: true },
        ]}
      />
    </section>
    <section class="card">
      <h2>${t("statistics.searches")}</h2>
      <${Plot}
        label=${t("statistics.searches")}
        at=${at}
        values=${searches}
        format=${rate}
        height=${140}
        curves=${[
          { title: t("statistics.seen"), token: "--accent", filled: true },
          { title: t("statistics.forwarded"), token: "--warn" },
          { title: t("statistics.answered"), token: "--good" },
        ]}
      />
    </section>
  `;
}

/** On an axis nothing is a zero, not a dash. @param {number} value */
function speed0(value) {
  return `${size(value)}/s`;
}

/** @param {{ tree: any, error: Error | null, reload: () => void }} props */
function Network({ tree, error, reload }) {
  const status = useStatus();
  if (error && !tree) return html`<section class="card"><${Trouble} error=${error} retry=${reload} /></section>`;
  if (!tree || !status) return html`<section class="card"><${Loading} label=${t("statistics.loading")} /></section>`;
  const { searches } = tree;
  const rows = [
    [t("statistics.seen"), searches.seen],
    [t("statistics.forwarded"), searches.forwarded],
    [t("statistics.duplicates"), searches.duplicates],
    [t("statistics.matched"), searches.matched],
    [t("statistics.answered"), searches.answered],
    [t("statistics.undeliverable"), searches.undeliverable],
  ];
  return html`
    <section class="card">
      <h2 class="row">
        <span class="grow">${t("statistics.tree")}</span>
        ${tree.parent
          ? html`<${Badge} tone="good">${t("statistics.level", { level: String(tree.level) })}<//>`
          : html`<${Badge} tone="warn">${t("statistics.noParent")}<//>`}
        <${Badge} tone="plain">${t("statistics.childrenOf", { count: tree.children.length, most: tree.most_children })}<//>
      </h2>
      ${status.logged_in
        ? html`<${Mesh} tree=${tree} me=${status.username ?? ""} server=${status.server} />`
        : html`<p class="muted">${t("statistics.loggedOut")}</p>`}
      <dl class="facts">
        ${rows.map(([term, value]) => html`<div key=${term}><dt>${term}</dt><dd class="num">${count(Number(value ?? 0))}</dd></div>`)}
      </dl>
    </section>
  `;
}

/** @type {Record<string, () => string>} */
const SUBJECTS = {
  search: () => t("statistics.paceSearch"),
  join: () => t("statistics.paceJoin"),
  connect: () => t("statistics.paceConnect"),
  browse: () => t("statistics.paceBrowse"),
  place: () => t("statistics.pacePlace"),
};

function Governor() {
  const { data, error, reload } = useLoad((signal) => api.get("governor", {}, { signal }), []);
  useEvents(["search.changed", "link", "settings"], reload);
  useEffect(() => {
    // What waits is told as it was when it was asked: look again when the longest wait is over.
    const longest = Math.max(0, ...(data?.items ?? []).map((/** @type {{ wait: number }} */ pace) => pace.wait));
    if (longest === 0) return undefined;
    const timer = setTimeout(reload, longest * 1000 + 200);
    return () => clearTimeout(timer);
  }, [data]);
  if (error && !data) return html`<section class="card"><${Trouble} error=${error} retry=${reload} /></section>`;
  const items = /** @type {{ subject: string, count: number, seconds: number, wait: number }[]} */ (data?.items ?? []);
  return html`
    <section class="card">
      <h2>${t("statistics.governor")}</h2>
      <p class="muted small">${t("statistics.governorText")}</p>
      ${data && items.length === 0 && html`<p class="trouble-line">${t("statistics.governorOff")}</p>`}
      ${items.length > 0 &&
      html`
        <table>
          <thead>
            <tr><th scope="col">${t("statistics.subject")}</th><th scope="col">${t("statistics.pace")}</th><th scope="col">${t("statistics.next")}</th></tr>
          </thead>
          <tbody>
            ${items.map(
              (pace) => html`
                <tr key=${pace.subject}>
                  <th scope="row">${SUBJECTS[pace.subject]?.() ?? pace.subject}</th>
                  <td class="num">${t("statistics.paceText", { count: pace.count, time: seconds(pace.seconds) })}</td>
                  <td>
                    ${pace.wait === 0
                      ? html`<${Badge} tone="good">${t("statistics.now")}<//>`
                      : pace.wait < 0
                        ? html`<${Badge} tone="plain">${t("statistics.notNow")}<//>`
                        : html`<${Badge} tone="warn">${t("statistics.wait", { time: seconds(Math.ceil(pace.wait)) })}<//>`}
                  </td>
                </tr>
              `,
            )}
          </tbody>
        </table>
      `}
    </section>
  `;
}
