/** Search. */
import { html, Empty, Page } from "../lib/ui.js";
import { t } from "../lib/texts.js";

export const name = "search";
export const title = "nav.search";
export const icon = "search";
export const place = "main";

export function View() {
  return html`<${Page} title=${t("nav.search")}><${Empty} icon="search" title=${t("nav.search")} /><//>`;
}
