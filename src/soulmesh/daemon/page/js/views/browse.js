/** Browse. */
import { html, Empty, Page } from "../lib/ui.js";
import { t } from "../lib/texts.js";

export const name = "browse";
export const title = "nav.browse";
export const icon = "browse";
export const place = "main";

export function View() {
  return html`<${Page} title=${t("nav.browse")}><${Empty} icon="browse" title=${t("nav.browse")} /><//>`;
}
