// The dialogs of an endpoint: what it is, and its secret.

import { Failure } from "../api/client.js";
import { copyButton } from "../base/clipboard.js";
import { dialog } from "../base/dialog.js";
import { h, newId, say } from "../base/dom.js";
import { T } from "../texts.js";

const EVENTS = ["import.done", "import.failed", "import.cancelled", "import.deleted", "image.deleted"];

/**
 * Ask for the attributes of an endpoint.
 *
 * @param {string} title
 * @param {object|null} endpoint whose attributes are shown at first.
 * @param {(wishes: {url: string, events: Array<string>, description: string}) => Promise<void>} send a Failure is told.
 */
export function endpointForm(title, endpoint, send) {
  const fault = h("p.fault", { role: "alert", id: newId("fault") });
  const hint = h("p.hint", { id: newId("hint") }, T.hooks.urlHint);
  const url = h("input", { id: newId("url"), type: "url", required: true, autocomplete: "off", spellcheck: "false",
    "aria-describedby": `${hint.id} ${fault.id}`, placeholder: "https://www.example.org/lading" });
  const description = h("input", { id: newId("description"), type: "text", maxlength: 255, autocomplete: "off" });
  url.value = endpoint?.url ?? "";
  description.value = endpoint?.description ?? "";
  const wanted = new Set(endpoint?.events ?? ["*"]);
  const every = h("input", { type: "checkbox", checked: wanted.has("*"), change: () => showChoices() });
  const boxes = EVENTS.map((name) => [name, h("input", { type: "checkbox", checked: wanted.has("*") || wanted.has(name) })]);
  const choice = (box, text) => h("label.choice", {}, box, text);
  const submit = h("button.primary", { type: "submit" }, endpoint ? T.hooks.save : T.hooks.add);
  const form = h("form.stack", { novalidate: true, submit: sent },
    h("div.field", {}, h("label", { for: url.id }, T.hooks.url), url, hint),
    h("div.field", {}, h("label", { for: description.id }, T.hooks.description), description),
    h("fieldset.choices", {}, h("legend", {}, T.hooks.which), choice(every, T.hooks.every),
      boxes.map(([name, box]) => choice(box, T.hooks.events[name]))),
    fault, h("div.row", {}, submit));
  const box = dialog(title, [form]);
  showChoices();
  url.focus();

  function showChoices() {
    for (const [, one] of boxes) {
      one.disabled = every.checked;
      if (every.checked) one.checked = true;
    }
  }

  async function sent(event) {
    event.preventDefault();
    const events = every.checked ? ["*"] : boxes.filter(([, one]) => one.checked).map(([name]) => name);
    const text = url.value.trim() === "" ? T.hooks.urlMissing : events.length === 0 ? T.hooks.noEvents : "";
    say(fault, text);
    url.setAttribute("aria-invalid", String(url.value.trim() === ""));
    if (text || submit.getAttribute("aria-disabled") === "true") return;
    submit.setAttribute("aria-disabled", "true");
    try {
      await send({ url: url.value.trim(), events, description: description.value });
      box.close();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      say(fault, failure.detail);
    } finally {
      submit.removeAttribute("aria-disabled");
    }
  }
}

/** Show a secret, which the service shows this once. */
export function showSecret(secret) {
  dialog(T.hooks.secret, [h("div.secret", {}, h("p", {}, T.hooks.secretLead), h("code", {}, secret),
    h("div.row", {}, copyButton(secret, T.hooks.secretCopy, T.hooks.secretCopy)))]);
}
