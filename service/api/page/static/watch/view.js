// The view that watches what was added here: groups with their sums, and in each of them its items.

import { session } from "../api/session.js";
import { allows } from "../api/token.js";
import { fill, h, newId, say } from "../base/dom.js";
import { count, lately, moment } from "../base/format.js";
import { announce } from "../base/live.js";
import { T } from "../texts.js";
import { sumOf } from "../work/items.js";
import { groups } from "../work/groups.js";
import { act } from "./acting.js";
import { itemRow } from "./item.js";

const PAGE = 50;
const FILTERS = ["all", "active", "failed", "done"];

/** The number beside the title in the navigation: what is not final yet. */
const badge = new EventTarget();
badge.text = "";
groups.addEventListener("sums", () => {
  const { active } = groups.sums;
  badge.text = active ? count(active) : "";
  badge.dispatchEvent(new Event("changed"));
});

export const watch = { name: "watch", title: T.views.watch, isAllowed: () => true, open, badge };

function open(place) {
  const stop = new AbortController();
  const options = { signal: stop.signal };
  const cards = new Map();
  const sums = h("p.lead");
  const list = h("div.groups");
  fill(place, h("div", {}, h("h1", {}, T.watch.title), sums), list);
  showAll();
  groups.addEventListener("loaded", showAll, options);
  groups.addEventListener("added", showAll, options);
  groups.addEventListener("removed", showAll, options);
  groups.addEventListener("changed", ({ detail }) => cards.get(detail.group)?.update(), options);
  groups.addEventListener("item", ({ detail }) => cards.get(detail.group)?.changed(detail.item), options);
  groups.addEventListener("sums", showSums, options);
  const timer = setInterval(() => cards.forEach((card) => card.update()), 30000);
  return () => {
    stop.abort();
    clearInterval(timer);
    cards.forEach((card) => card.close());
  };

  function showAll() {
    for (const [group, card] of cards) {
      if (groups.all.includes(group)) continue;
      card.close();
      card.element.remove();
      cards.delete(group);
    }
    groups.all.forEach((group, index) => {
      if (!cards.has(group)) cards.set(group, groupCard(group));
      const { element } = cards.get(group);
      if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
    });
    if (groups.all.length === 0) {
      const mayAdd = allows(session.rights, "image_upload");
      fill(list, h("div.card.empty", {}, h("p", {}, T.watch.empty), mayAdd && h("a.button", { href: "#add" }, T.watch.addSome)));
    } else list.querySelector(".empty")?.remove();
    showSums();
  }

  function showSums() {
    const told = groups.all.length ? T.watch.sums(groups.sums) : "";
    if (told !== sums.textContent && told) announce(told);
    say(sums, told);
  }
}

function groupCard(group) {
  const id = newId("group");
  const rows = new Map();
  const dirty = new Set();
  let filter = "all";
  let most = PAGE;
  let frame = 0;
  let length = 0;
  const when = h("time", { datetime: new Date(group.at).toISOString(), title: moment(new Date(group.at)) });
  const into = h("span");
  const title = h("h2", { id, tabindex: "-1" });
  const parts = ["done", "failed", "cancelled", "active"].map((name) => [name, h(`span.${name}`)]);
  const bar = h("div.sumbar", { "aria-hidden": "true" }, parts.map(([, part]) => part));
  const tabs = FILTERS.map((name) => [name, h("button.small", {
    type: "button", "aria-pressed": String(name === filter), click: () => choose(name),
  })]);
  const fault = h("p.fault");
  const unkept = h("p.hint", {}, T.watch.unkept);
  const again = h("button.small", { type: "button", click: () => act(group.fault ? "sendAgain" : "retryAll", group) });
  const drop = h("button.plain.small", { type: "button", click: () => act("drop", group) }, T.watch.drop);
  const list = h("ul.items", { "aria-labelledby": id });
  const more = h("button.plain", { type: "button", click: () => {
    most += PAGE;
    showItems();
  } });
  const element = h("section.card.group", { "aria-labelledby": id, "data-group": group.id },
    h("header.row.spread", {}, h("div", {}, title, h("p.hint", {}, when, into)), h("div.row", {}, again, drop)), bar,
    h("div.row.filters", { role: "group", "aria-label": T.watch.filter }, tabs.map(([, tab]) => tab)), fault, unkept, list, more);
  update();
  showItems();
  return { element, update, changed, close: () => cancelAnimationFrame(frame) };

  function update() {
    say(title, T.watch.group(group));
    say(when, lately(new Date(group.at)));
    say(fault, group.fault ? group.fault.detail : group.offline ? T.offline : "");
    const { sums, items } = group;
    unkept.hidden = !group.isUnkept || sums.active === 0;
    for (const [name, part] of parts) {
      part.style.flexGrow = String(sums[name]);
      part.hidden = sums[name] === 0;
    }
    for (const [name, tab] of tabs) {
      const number = name === "all" ? items.length : sums[name];
      say(tab, `${T.watch.filters[name]} ${count(number)}`);
      tab.hidden = name !== "all" && name !== filter && number === 0;
    }
    again.hidden = (sums.failed === 0 && !group.fault) || !allows(session.rights, "image_upload");
    say(again, sums.failed ? T.watch.retryAll(sums.failed) : T.watch.sendAgain);
    drop.hidden = sums.active > 0;
  }

  function choose(name) {
    filter = name;
    most = PAGE;
    for (const [other, tab] of tabs) tab.setAttribute("aria-pressed", String(other === name));
    showItems();
  }

  function fits(item) {
    return filter === "all" || sumOf(item.state) === filter;
  }

  function showItems() {
    length = group.items.length;
    const fitting = group.items.filter(fits);
    const shown = fitting.slice(0, most);
    const wanted = new Set(shown);
    for (const [item, { row }] of rows) {
      if (wanted.has(item)) continue;
      row.remove();
      rows.delete(item);
    }
    shown.forEach((item, index) => {
      if (!rows.has(item)) rows.set(item, itemRow(group, item));
      const { row } = rows.get(item);
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    });
    list.hidden = shown.length === 0;
    const albums = new Set(group.items.map((item) => item.album));
    const [album] = albums;
    say(into, albums.size === 1 && album ? T.watch.into(album) : "");
    more.hidden = fitting.length <= most;
    say(more, T.watch.more(Math.min(PAGE, fitting.length - most)));
    update();
  }

  /** Show changed items at the next frame, however many changes come until then. */
  function changed(item) {
    dirty.add(item);
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      const isOther = filter !== "all" && [...dirty].some((one) => fits(one) !== rows.has(one));
      if (isOther || length !== group.items.length) showItems();
      for (const one of dirty) rows.get(one)?.update();
      dirty.clear();
      update();
    });
  }
}
