// Bans by address, and all bans as a text that is kept, given on, or taken from others.

import { api } from "../lib/api.js";
import { Dialog } from "../lib/dialog.js";
import { useEvents } from "../lib/events.js";
import { useAction, useLoad } from "../lib/hooks.js";
import { t } from "../lib/texts.js";
import { toast } from "../lib/toast.js";
import { Button, Changing, Empty, Field, Loading, Trouble, html, useRef, useState } from "../lib/ui.js";

/** More are not drawn: block lists have hundreds of thousands. */
const MOST = 500;

export function Addresses() {
  const { data, error, loading, reload } = useLoad((signal) => api.get("bans", {}, { signal }), []);
  useEvents(["user.bans"], reload);
  const [range, setRange] = useState("");
  const [problem, setProblem] = useState("");
  const [importing, setImporting] = useState(false);
  const add = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      await api.put("bans/ranges", { range: range.trim() });
      setRange("");
      setProblem("");
      reload();
    } catch (error) {
      setProblem(/** @type {Error} */ (error).message);
    }
  };
  const [remove] = useAction(async (/** @type {string} */ gone) => {
    await api.delete("bans/ranges", { range: gone });
    reload();
  });
  const [save, saving] = useAction(async () => {
    const { text } = await api.get("bans/list");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    link.download = "soulmesh-bans.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
  if (error && !data) return html`<${Trouble} error=${error} retry=${reload} />`;
  if (loading && !data) return html`<${Loading} label=${t("users.loading")} />`;
  return html`
    <div class="scroll stack padded">
      <p class="muted">${t("users.addressesText")}</p>
      <form class="row end" onSubmit=${add}><${Changing}>
        <${Field} label=${t("users.range")} hint=${t("users.rangeHint")} error=${problem}>
          <input value=${range} placeholder="203.0.113.0/24" onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => setRange(event.currentTarget.value)} />
        <//>
        <${Button} kind="primary" type="submit" disabled=${!range.trim()}>${t("users.banRange")}<//>
      <//></form>
      <div class="row wrap">
        <${Button} changes icon="up" onClick=${() => setImporting(true)}>${t("users.importBans")}<//>
        <${Button} icon="down" busy=${saving} disabled=${data.names.length + data.ranges.length === 0} onClick=${save}>${t("users.exportBans")}<//>
        <span class="muted small num">${t("users.bansCount", { names: data.names.length, ranges: data.ranges.length })}</span>
      </div>
      ${data.ranges.length === 0
        ? html`<${Empty} icon="ban" title=${t("users.noRanges")} text=${t("users.noRangesText")} />`
        : html`
            <ul class="plain-list card">
              ${data.ranges.slice(0, MOST).map(
                (/** @type {string} */ found) => html`
                  <li key=${found} class="row">
                    <code class="grow">${found}</code>
                    <${Button} changes kind="ghost" onClick=${() => remove(found)}>${t("users.unbanRange")}<//>
                  </li>
                `,
              )}
              ${data.ranges.length > MOST && html`<li class="muted">${t("users.moreRanges", { count: data.ranges.length - MOST })}</li>`}
            </ul>
          `}
      ${importing && html`<${Import} onClose=${() => setImporting(false)} onDone=${reload} />`}
    </div>
  `;
}

/** @param {{ onClose: () => void, onDone: () => void }} props */
function Import({ onClose, onDone }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  /** @param {string} next */
  const change = (next) => {
    setText(next);
    setProblem("");
  };
  const read = async () => {
    const chosen = file.current?.files?.[0];
    if (chosen) change(await chosen.text());
  };
  const take = async () => {
    setBusy(true);
    setProblem("");
    try {
      const { taken } = await api.post("bans/list", { text });
      toast(t("users.imported", { count: taken }), { tone: "good" });
      onDone();
      onClose();
    } catch (error) {
      setProblem(/** @type {Error} */ (error).message);
    }
    setBusy(false);
  };
  return html`
    <${Dialog} title=${t("users.importTitle")} onClose=${onClose} onSubmit=${take} wide
      actions=${html`<${Button} onClick=${onClose}>${t("cancel")}<//>
        <${Button} type="submit" kind="primary" busy=${busy} disabled=${!text.trim()}>${t("users.importAction")}<//>`}>
      <p class="muted">${t("users.importText")}</p>
      <${Field} label=${t("users.importFile")}>
        <input ref=${file} type="file" accept=".txt,.p2p,.dat,text/plain" onChange=${read} />
      <//>
      <${Field} label=${t("users.importLines")} error=${problem}>
        <textarea rows="8" spellcheck=${false} value=${text} placeholder=${"user noisy.neighbour\n192.0.2.0/24"}
          onInput=${(/** @type {{ currentTarget: HTMLTextAreaElement }} */ event) => change(event.currentTarget.value)}></textarea>
      <//>
    <//>
  `;
}
