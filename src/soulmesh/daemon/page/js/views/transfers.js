/** Transfers. */
import { html, Empty, Page } from "../lib/ui.js";
import { t } from "../lib/texts.js";

export const name = "transfers";
export const title = "nav.transfers";
export const icon = "transfers";
export const place = "main";

export function View() {
  return html`<${Page} title=${t("nav.transfers")}><${Empty} icon="transfers" title=${t("nav.transfers")} /><//>`;
}
