/**
 * A user's name wherever it stands: a link to what we know of them, and a menu with what can be done.
 */
import { html, Menu } from "./ui.js";
import { api, p } from "./api.js";
import { useEvents } from "./events.js";
import { go, href } from "./route.js";
import { store, useStore } from "./store.js";
import { toast, report } from "./toast.js";
import { t } from "./texts.js";

/** Who is online, as far as somebody said so. @type {import("./store.js").Store<Map<string, string>>} */
export const presences = store(new Map());

const WORDS = ["Offline", "Away", "Online"];

/** Keeps `presences` fresh; once in the page. */
export function usePresences() {
  useEvents(["user.UserStatusChanged"], ({ kind, data }) => {
    if (kind === "missed") return;
    knownAs(data.username, typeof data.status === "number" ? WORDS[data.status] : data.status);
  });
}

/**
 * @param {string} name
 * @param {string} presence Online, Away or Offline
 */
export function knownAs(name, presence) {
  if (presences.get().get(name) === presence) return;
  presences.set((old) => new Map(old).set(name, presence));
}

/**
 * @param {{ name: string, menu?: boolean, presence?: string }} props presence: where the list that it stands in knows it
 */
export function Person({ name, menu = false, presence: told }) {
  const known = useStore(presences, (all) => all.get(name));
  const presence = told ?? known;
  return html`<span class="person">${presence && html`<span class=${`dot ${presence.toLowerCase()}`} role="img"
    aria-label=${t(`presence.${presence.toLowerCase()}`)}></span>`}<a href=${href("users", name)} class="clip">${name}</a>
    ${menu && html`<${PersonMenu} name=${name} />`}</span>`;
}

/** @param {{ name: string, more?: any[] }} props */
export function PersonMenu({ name, more = [] }) {
  /** @param {string} what @param {string} told */
  const put = (what, told) => api.put(p`users/${name}/` + what).then(() => toast(t(told, { name }), { tone: "good" }), report);
  return html`<${Menu} label=${t("person.menu", { name })} items=${[
    ...more,
    { title: t("person.browse"), icon: "browse", changes: true, run: () => go("browse", name) },
    { title: t("person.write"), icon: "chat", run: () => go("chat", name) },
    { title: t("person.page"), icon: "users", run: () => go("users", name) },
    { title: t("person.befriend"), icon: "star", changes: true, run: () => put("friend", "person.befriended") },
    { title: t("person.ban"), icon: "ban", danger: true, changes: true, run: () => put("ban", "person.banned") },
  ]} />`;
}
