// Diagnosis: what the doctor found, with cause and cure.

import { api } from "../lib/api.js";
import { useEvents } from "../lib/events.js";
import { clock } from "../lib/format.js";
import { useLoad } from "../lib/hooks.js";
import { useStatus } from "../lib/status.js";
import { t } from "../lib/texts.js";
import { report, toast } from "../lib/toast.js";
import * as told from "../lib/told.js";
import { Badge, Button, Icon, Loading, Page, Trouble, html } from "../lib/ui.js";

export const name = "diagnosis";
export const title = "nav.diagnosis";
export const icon = "pulse";
export const place = "more";

/** @typedef {{ subject: string, state: "good" | "warning" | "bad" | "unknown", found: string, cure: string, code: string, params: Record<string, any> }} Finding */

/** @type {Record<Finding["state"], { rank: number, tone: "good" | "warn" | "bad" | "plain", icon: string }>} */
const STATES = {
  bad: { rank: 0, tone: "bad", icon: "warning" },
  warning: { rank: 1, tone: "warn", icon: "warning" },
  unknown: { rank: 2, tone: "plain", icon: "info" },
  good: { rank: 3, tone: "good", icon: "check" },
};

/** @param {Finding["state"]} state */
function stateName(state) {
  if (state === "good") return t("diagnosis.good");
  if (state === "warning") return t("diagnosis.warning");
  return state === "bad" ? t("diagnosis.bad") : t("diagnosis.unknown");
}

/** @type {Record<string, () => string>} */
const SUBJECTS = {
  login: () => t("diagnosis.login"),
  server: () => t("diagnosis.server"),
  "listening port": () => t("diagnosis.port"),
  "indirect connection": () => t("diagnosis.indirect"),
  "distributed network": () => t("diagnosis.tree"),
  searching: () => t("diagnosis.searching"),
  "the data folder": () => t("diagnosis.data"),
  "the folder of downloads": () => t("diagnosis.downloads"),
  "disk space": () => t("diagnosis.space"),
  shares: () => t("diagnosis.shares"),
  "open files": () => t("diagnosis.files"),
  clock: () => t("diagnosis.clock"),
};

export function View() {
  const status = useStatus();
  const { data, error, loading, reload } = useLoad(async (signal) => {
    const { items } = await api.get("diagnosis", {}, { signal });
    return { items: /** @type {Finding[]} */ (items), at: new Date().toISOString() };
  }, []);
  useEvents(["link.LoggedIn", "link.LoggedOut"], reload);
  const found = [...(data?.items ?? [])].sort((one, other) => STATES[one.state].rank - STATES[other.state].rank);
  const wrong = found.filter(({ state }) => state === "bad" || state === "warning").length;
  const copy = () => {
    const head = `soulmesh ${status?.version ?? ""}, ${data?.at ?? ""}`;
    // A report is for whoever helps, so it is in the daemon's own words.
    const lines = found.map(({ subject, state, found: text, cure }) => `${state}: ${subject}: ${text}${cure ? ` (${cure})` : ""}`);
    if (!navigator.clipboard) return report(new Error(t("diagnosis.noClipboard")));
    return navigator.clipboard.writeText([head, ...lines].join("\n")).then(() => toast(t("diagnosis.copied"), { tone: "good" }), report);
  };
  const actions = html`
    <${Button} icon="copy" disabled=${!data} onClick=${copy}>${t("diagnosis.copy")}<//>
    <${Button} icon="again" kind="primary" busy=${loading} onClick=${reload}>${t("diagnosis.again")}<//>
  `;
  return html`
    <${Page} title=${t("nav.diagnosis")} actions=${actions}>
      ${error && !data && html`<${Trouble} error=${error} retry=${reload} />`}
      ${loading && !data && html`<${Loading} label=${t("diagnosis.examining")} />`}
      ${data &&
      html`
        <div class="stack" aria-busy=${loading ? "true" : undefined}>
          <p class=${wrong ? "notice warn" : "notice good"} role="status">
            <${Icon} name=${wrong ? "warning" : "check"} />
            <span class="grow">${wrong ? t("diagnosis.some", { count: wrong }) : t("diagnosis.allGood")}</span>
            <span class="muted small num">${t("diagnosis.at", { time: clock(data.at) })}</span>
          </p>
          <ul class="findings card">
            ${found.map((finding, at) => html`<${One} key=${finding.subject + at} finding=${finding} />`)}
          </ul>
        </div>
      `}
    <//>
  `;
}

/** @param {{ finding: Finding }} props */
function One({ finding }) {
  const { found, cure } = told.finding(finding);
  const said = finding.params.reason;
  return html`
    <li data-state=${finding.state} data-id=${finding.subject}>
      <${Icon} name=${STATES[finding.state].icon} />
      <div>
        <h2 class="row">
          <span class="grow">${SUBJECTS[finding.subject]?.() ?? finding.subject}</span>
          <${Badge} tone=${STATES[finding.state].tone}>${stateName(finding.state)}<//>
        </h2>
        <p>${found}</p>
        ${said && !found.includes(said) && (told.shortened(finding.params.reason_code, said) || !finding.params.reason_code) && html`<p class="muted small"><q lang="en">${said}</q></p>`}
        ${cure && html`<p class="cure"><b>${t("diagnosis.cure")}</b> ${cure}</p>`}
      </div>
    </li>
  `;
}
