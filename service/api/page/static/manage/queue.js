// The view of the queue, for administrators: how many imports wait, and what failed, by code and by host over time.

import { Failure } from "../api/client.js";
import { session } from "../api/session.js";
import { fill, h, newId, say } from "../base/dom.js";
import { ago, clock, count, moment } from "../base/format.js";
import { T } from "../texts.js";
import { chart, COLOURS } from "./chart.js";
import { overTime, readSample } from "./sample.js";

const HOUR = 3600_000;
/** Milliseconds and bins of a window. */
const WINDOWS = { hour: [HOUR, 30], day: [24 * HOUR, 24], week: [7 * 24 * HOUR, 28], month: [30 * 24 * HOUR, 30] };
const REFRESH = 30_000;
const MOST_ROWS = 50;
let chosen = "day";

export const queue = { name: "queue", title: T.views.queue, isAllowed: (rights) => rights.admin, open };

function open(place) {
  const stop = new AbortController();
  let timer = 0;
  let round = null;
  const id = newId("window");
  const select = h("select", { id, change: () => {
    chosen = select.value;
    read();
  } }, Object.keys(WINDOWS).map((name) => h("option", { value: name, selected: name === chosen }, T.queue.windows[name])));
  const when = h("p.lead", { role: "status" });
  const fault = h("p.fault", { role: "alert" });
  const states = h("ul.states", { "aria-label": T.queue.states });
  const rest = h("div.hooks");
  fill(place, h("div.row.spread", {}, h("div", {}, h("h1", {}, T.queue.title), when),
    h("div.field", {}, h("label", { for: id }, T.queue.window), select)), fault, states, rest);
  say(when, T.find.reading);
  read();
  session.addEventListener("begun", read, { signal: stop.signal });
  addEventListener("visibilitychange", () => !document.hidden && read(), { signal: stop.signal });
  return () => {
    stop.abort();
    round?.abort();
    clearTimeout(timer);
  };

  async function read() {
    clearTimeout(timer);
    round?.abort();
    const own = new AbortController();
    round = own;
    const [length, bins] = WINDOWS[chosen];
    const until = Date.now();
    try {
      const sample = await readSample(until - length, own.signal);
      if (own.signal.aborted) return;
      say(fault, "");
      show(sample, { since: until - length, until, bins });
    } catch (failure) {
      if (own.signal.aborted) return;
      say(fault, failure instanceof Failure ? failure.detail : T.offline);
    }
    if (!document.hidden) timer = setTimeout(read, REFRESH);
  }

  function show(sample, span) {
    say(when, T.queue.at(clock(new Date(span.until))));
    fill(states, [...sample.states].map(([state, one]) => h(`li.${state}`, {}, h("p", {}, T.states[state]),
      h("p.number", {}, atLeast(one)), h("p.hint", {}, hintOf(state, one)))));
    const { failures } = sample;
    if (failures.length === 0) {
      fill(rest, h("p.card", {}, T.queue.none));
      return;
    }
    // A table that somebody reads stays open.
    const opened = [...rest.querySelectorAll("details")].map((one) => one.open);
    const times = Array.from({ length: span.bins }, (_, bin) => timeOf(span, bin));
    const partly = !sample.states.get("failed").isWhole;
    const named = (key) => overTime(failures, key, { ...span, most: COLOURS - 1 })
      .map((one) => ({ ...one, name: one.key === null ? T.queue.others : one.key || T.queue.noHost }));
    fill(rest, partly && h("p.hint", {}, T.queue.partly(count(failures.length))),
      chart(T.queue.byCode, named((one) => one.code), times), chart(T.queue.byHost, named((one) => one.host), times),
      causes(failures));
    rest.querySelectorAll("details").forEach((one, index) => { one.open = opened[index] ?? false; });
  }
}

const atLeast = ({ count: number, isWhole }) => (isWhole ? count(number) : T.queue.atLeast(count(number)));

function hintOf(state, { oldest }) {
  if (state === "failed") return T.queue.windows[chosen];
  return oldest === null ? "" : T.queue.oldest(ago(new Date(oldest)));
}

function timeOf({ since, until, bins }, bin) {
  const at = new Date(since + ((until - since) / bins) * bin);
  return until - since > 24 * HOUR ? moment(at) : clock(at);
}

/** Each code and host with its number, the most frequent first. */
function causes(failures) {
  const found = new Map();
  for (const { code, host, at } of failures) {
    const key = JSON.stringify([code, host]);
    const one = found.get(key) ?? { code, host, number: 0, newest: 0 };
    found.set(key, { ...one, number: one.number + 1, newest: Math.max(one.newest, at) });
  }
  const rows = [...found.values()].sort((a, b) => b.number - a.number || b.newest - a.newest);
  return h("section.card.stack", {}, h("h2", {}, T.queue.causes), h("div.wide-table", { tabindex: "0", role: "region", "aria-label": T.queue.causes },
    h("table.plain", {}, h("thead", {}, h("tr", {}, [T.queue.code, T.queue.host, T.queue.number, T.queue.newest]
      .map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows.slice(0, MOST_ROWS).map((one) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, one.code)),
      h("td", {}, one.host || T.queue.noHost), h("td.number", {}, count(one.number)), h("td", {}, ago(new Date(one.newest)))))))));
}
