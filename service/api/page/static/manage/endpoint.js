// One endpoint: what it is, what can be done with it, and its deliveries.

import { call, Failure, request } from "../api/client.js";
import { ask } from "../base/ask.js";
import { fill, h, newId, say } from "../base/dom.js";
import { announce } from "../base/live.js";
import { T } from "../texts.js";
import { deliveryList } from "./deliveries.js";
import { endpointForm, showSecret } from "./forms.js";

/**
 * The card of an endpoint.
 *
 * @param {object} endpoint as the API shows it.
 * @param {{signal: AbortSignal, removed: () => void}} options
 * @returns {Element}
 */
export function endpointCard(endpoint, { signal, removed }) {
  const path = `/api/v1/webhooks/${endpoint.id}`;
  const title = h("h2", { id: newId("hook") });
  const url = h("p.url");
  const facts = h("p.hint");
  const state = h("p.condition");
  const fault = h("p.fault", { role: "alert" });
  const turn = button("", () => change({ enabled: !endpoint.enabled }));
  const place = h("div");
  const deliveries = h("details", { toggle: showDeliveries }, h("summary", {}, T.hooks.deliveries), place);
  let shown = null;
  const card = h("section.card.hook", { "aria-labelledby": title.id }, h("div", {}, title, url, facts, state),
    h("div.row", {}, button(T.hooks.test, test), button(T.hooks.edit, edit), turn, button(T.hooks.rotate, rotate),
      button(T.hooks.remove, remove, "danger")), fault, deliveries);
  show();
  return card;

  function button(text, act, kind = "") {
    return h(`button.small${kind && `.${kind}`}`, { type: "button", click: () => guarded(act) }, text);
  }

  async function guarded(act) {
    say(fault, "");
    try {
      await act();
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      say(fault, failure.detail);
    }
  }

  function show() {
    const events = endpoint.events.map((name) => T.hooks.events[name] ?? name).join(", ");
    say(title, endpoint.description || hostOf(endpoint.url));
    say(url, endpoint.url);
    say(facts, `${T.hooks.which}: ${events}`);
    say(state, endpoint.enabled ? T.hooks.enabled : T.hooks.reasons[endpoint.disabled_reason] ?? T.hooks.disabled);
    card.dataset.enabled = String(endpoint.enabled);
    say(turn, endpoint.enabled ? T.hooks.disable : T.hooks.enable);
  }

  async function change(wishes) {
    endpoint = await call(path, { method: "PATCH", json: wishes });
    show();
    announce(endpoint.enabled ? T.hooks.enabled : T.hooks.disabled);
  }

  function edit() {
    endpointForm(T.hooks.editTitle, endpoint, change);
  }

  async function test() {
    await call(`${path}/test`, { method: "POST" });
    announce(T.hooks.tested);
    if (deliveries.open) await shown?.refresh();
    else deliveries.open = true;
  }

  async function rotate() {
    if (!(await ask(T.hooks.askRotate, T.hooks.askRotateLead, T.hooks.rotate))) return;
    const { secret } = await call(`${path}/rotate`, { method: "POST" });
    showSecret(secret);
  }

  async function remove() {
    if (!(await ask(T.hooks.askRemove, T.hooks.askRemoveLead, T.hooks.remove))) return;
    await request(path, { method: "DELETE" });
    announce(T.hooks.removed);
    removed();
  }

  function showDeliveries() {
    if (!deliveries.open) return;
    if (shown) shown.refresh();
    else {
      shown = deliveryList(`${path}/deliveries`, signal);
      fill(place, shown.element);
    }
  }
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return url;
  }
}
