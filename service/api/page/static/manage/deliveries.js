// The deliveries of an endpoint or of an import: what was sent, with which outcome, and once more.

import { call, Failure, nextPage, request } from "../api/client.js";
import { fill, h, say } from "../base/dom.js";
import { ago, lately, milliseconds, moment } from "../base/format.js";
import { announce } from "../base/live.js";
import { T } from "../texts.js";

const LIMIT = 20;
const AGAIN = 2000;

/**
 * A list of deliveries, the latest first.
 *
 * @param {string} path of the list.
 * @param {AbortSignal} signal ends it.
 * @returns {{element: Element, refresh: () => Promise<void>}}
 */
export function deliveryList(path, signal) {
  const list = h("ul.deliveries");
  const fault = h("p.fault", { role: "alert" });
  const more = h("button.plain", { type: "button", hidden: true, click: () => read(next) }, T.hooks.moreDeliveries);
  const none = h("p.hint", {}, T.find.reading);
  const rows = new Map();
  let next = null;
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  const first = `${path}?limit=${LIMIT}`;
  read(first);
  return { element: h("div.stack", {}, none, list, fault, more), refresh: () => read(first) };

  async function read(from) {
    clearTimeout(timer);
    try {
      const response = await request(from, { signal });
      const { deliveries } = await response.json();
      // A look at the latest deliveries leaves what is shown below them.
      if (from !== first || next === null) next = nextPage(response, path);
      take(deliveries, from === first);
      say(fault, "");
      if (deliveries.some((one) => one.status === "pending") && from === first) timer = setTimeout(() => read(first), AGAIN);
    } catch (failure) {
      if (signal.aborted) return;
      say(fault, failure instanceof Failure ? failure.detail : T.offline);
    }
    more.hidden = next === null;
    none.hidden = rows.size > 0;
    say(none, T.hooks.noDeliveries);
  }

  function take(deliveries, isFirst) {
    [...deliveries].reverse().forEach((delivery) => {
      const known = rows.get(delivery.id);
      if (known?.told === JSON.stringify(delivery)) return;
      const row = deliveryRow(delivery, replay);
      const hadFocus = known?.row.contains(document.activeElement);
      if (known) known.row.replaceWith(row);
      else if (isFirst) list.prepend(row);
      rows.set(delivery.id, { row, told: JSON.stringify(delivery) });
      if (hadFocus) row.querySelector(":scope > button").focus();
    });
    if (!isFirst) list.append(...deliveries.map(({ id }) => rows.get(id).row));
  }

  async function replay(delivery) {
    try {
      await call(`${path}/${delivery.id}/replay`, { method: "POST", signal });
      announce(T.hooks.replayed);
      await read(first);
    } catch (failure) {
      if (signal.aborted) return;
      say(fault, failure instanceof Failure ? failure.detail : T.offline);
    }
  }
}

function deliveryRow(delivery, replay) {
  const name = T.hooks.events[delivery.type] ?? delivery.type;
  const created = new Date(delivery.created_at);
  const last = delivery.attempts.at(-1);
  const outcome = [T.hooks.outcomes[delivery.status] ?? delivery.status, last && outcomeOf(last),
    delivery.status === "pending" && delivery.next_attempt_at && delivery.attempt_count > 0 &&
      T.hooks.next(ago(new Date(delivery.next_attempt_at)))].filter(Boolean).join(" · ");
  const attempts = delivery.attempts.length < 2 ? null : h("details", {}, h("summary", {}, T.hooks.attempts(delivery.attempt_count)),
    h("ol.hops", {}, delivery.attempts.map((one) => h("li", {}, `${moment(new Date(one.at))}: ${outcomeOf(one)}`))));
  return h("li.delivery", { "data-outcome": delivery.status },
    h("div.about", {}, h("p.name", {}, name, " ", h("time.hint", { datetime: delivery.created_at, title: moment(created) }, lately(created))),
      h("p.state", {}, outcome), attempts),
    h("button.small", { type: "button", "aria-label": T.hooks.replayOf(name), click: () => replay(delivery) }, T.hooks.replay));
}

function outcomeOf(attempt) {
  const told = attempt.status === null ? attempt.error : T.hooks.answered(attempt.status);
  return [told, milliseconds(attempt.ms ?? 0)].filter(Boolean).join(", ");
}
