/**
 * The login page: name and password, or an API key where there is no login.
 */
import { html, Button, Field, useEffect, useRef, useState } from "../lib/ui.js";
import { logIn, session, useKey } from "../lib/api.js";
import { useStore } from "../lib/store.js";
import { t } from "../lib/texts.js";

export function Login() {
  const { login } = useStore(session);
  const [byKey, setByKey] = useState(!login);
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {string | null} */ (null));
  const form = useRef(/** @type {any} */ (null));
  // Whoever chooses the other way goes on there, by keyboard as well.
  useEffect(() => { form.current.querySelector("input").focus(); }, [byKey]);
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await (byKey ? useKey(secret.trim()) : logIn(name, secret));
    } catch (problem) {
      setError(/** @type {Error} */ (problem).message);
      setSecret("");
    } finally {
      setBusy(false);
    }
  };
  const change = () => {
    setByKey(!byKey);
    setSecret("");
    setError(null);
  };
  /** @param {(value: string) => void} set */
  const take = (set) => (/** @type {any} */ event) => set(event.currentTarget.value);
  return html`<main class="login"><form class="card stack" ref=${form} onSubmit=${submit}><h1>${t("login.title")}</h1>
    <p class="muted">${t("login.text")}</p>
    ${byKey
      ? html`<${Field} label=${t("login.key")} hint=${t("login.keyhint")} error=${error}>
          <input type="password" required minlength="16" autocomplete="off" value=${secret} onInput=${take(setSecret)} /><//>`
      : html`<${Field} label=${t("login.name")}><input required autocomplete="username" value=${name} onInput=${take(setName)} /><//>
        <${Field} label=${t("login.password")} error=${error}><input type="password" required autocomplete="current-password"
          value=${secret} onInput=${take(setSecret)} /><//>`}
    <${Button} type="submit" kind="primary" busy=${busy}>${t("login.go")}<//>
    ${login && html`<${Button} kind="ghost" onClick=${change}>${t(byKey ? "login.withname" : "login.withkey")}<//>`}</form></main>`;
}
