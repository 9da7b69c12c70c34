// The view of webhooks: the endpoints of the issuer, what was sent to each, and a form for more of them.

import { call, Failure } from "../api/client.js";
import { session } from "../api/session.js";
import { allows } from "../api/token.js";
import { fill, h, say } from "../base/dom.js";
import { T } from "../texts.js";
import { endpointCard } from "./endpoint.js";
import { endpointForm, showSecret } from "./forms.js";

const PATH = "/api/v1/webhooks";

export const webhooks = {
  name: "webhooks", title: T.views.hooks, isAllowed: (rights) => allows(rights, "webhook_manage"), open,
};

function open(place) {
  const stop = new AbortController();
  const { signal } = stop;
  const fault = h("p.fault", { role: "alert" });
  const list = h("div.hooks");
  const none = h("p.card", { hidden: true }, T.hooks.none);
  const add = h("button.primary", { type: "button", click: openAdding }, T.hooks.add);
  fill(place, h("div.row.spread", {}, h("div", {}, h("h1", { tabindex: "-1" }, T.hooks.title), h("p.lead", {}, T.hooks.lead)), add),
    fault, list, none);
  read();
  session.addEventListener("begun", read, { signal });
  return () => stop.abort();

  async function read() {
    try {
      const found = (await call(PATH, { signal })).webhooks;
      fill(list, found.map(card));
      say(fault, "");
      count();
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof Failure)) throw failure;
      say(fault, failure.status === 404 ? T.hooks.off : failure.detail);
      add.hidden = failure.status === 404;
    }
  }

  function count() {
    none.hidden = list.children.length > 0;
  }

  function card(endpoint) {
    const made = endpointCard(endpoint, { signal, removed: () => {
      made.remove();
      count();
      add.focus();
    } });
    return made;
  }

  function openAdding() {
    endpointForm(T.hooks.addTitle, null, async (wishes) => {
      const { secret, ...endpoint } = await call(PATH, { method: "POST", json: wishes });
      list.append(card(endpoint));
      count();
      showSecret(secret);
    });
  }
}
