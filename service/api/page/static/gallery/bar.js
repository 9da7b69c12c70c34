// The bar with what can be done with the selected imports.

import { ask } from "../base/ask.js";
import { copy } from "../base/clipboard.js";
import { fill, h, say } from "../base/dom.js";
import { announce } from "../base/live.js";
import { T } from "../texts.js";
import { ACTIONS, actOn, linkOf } from "./actions.js";

/**
 * The bar of a selection.
 *
 * @param {Selection} selection
 * @param {{changed: (entry: Entry, document: object|null|undefined) => void, left: () => void}} options `left`: the bar
 *     is hidden, and had the focus.
 */
export function selectionBar(selection, { changed, left }) {
  const told = h("p.count", { role: "status" });
  const buttons = h("div.row");
  const report = h("p.fault", { role: "alert" });
  const element = h("section.card.bar", { "aria-label": T.find.selection, hidden: true }, told, buttons, report);
  let isBusy = false;
  selection.addEventListener("changed", show);
  return { element, remove: () => act("delete"), close: () => selection.removeEventListener("changed", show) };

  function show() {
    const { size, entries } = selection;
    const hadFocus = element.contains(document.activeElement);
    const focused = document.activeElement?.dataset.act;
    element.hidden = size === 0 && report.textContent === "";
    say(told, T.find.selected(size));
    const offered = Object.keys(ACTIONS).filter((name) => entries.some(ACTIONS[name].fits));
    fill(buttons, offered.map((name) => button(name, entries.filter(ACTIONS[name].fits).length)),
      size > 0 && plain("copy", T.find.copyLinks(size), copyLinks), plain("clear", T.find.clear, clear));
    if (!hadFocus) return;
    if (element.hidden) left();
    else (buttons.querySelector(`[data-act="${focused}"]`) ?? buttons.querySelector("button")).focus();
  }

  function button(name, count) {
    return h(name === "delete" ? "button.small.danger" : "button.small", {
      type: "button", "data-act": name, "aria-disabled": String(isBusy), click: () => act(name),
    }, T.find.act[name](count));
  }

  function plain(name, text, click) {
    return h("button.plain.small", { type: "button", "data-act": name, click }, text);
  }

  function clear() {
    say(report, "");
    selection.clear();
    show();
  }

  async function copyLinks() {
    await copy(selection.entries.map(linkOf).join("\n"));
  }

  async function act(name) {
    const entries = selection.entries.filter(ACTIONS[name].fits);
    if (isBusy || entries.length === 0) return;
    if (name === "delete" && !(await ask(T.find.askDelete(entries.length), T.find.askDeleteLead, T.find.act.delete(entries.length)))) return;
    isBusy = true;
    say(report, "");
    show();
    let done = 0;
    const { count, failures } = await actOn(name, entries, (entry, document) => {
      done += 1;
      say(told, T.find.acting(done, entries.length));
      changed(entry, document);
    });
    isBusy = false;
    announce(T.find.acted[name](count));
    say(report, failures.length ? T.find.refused(failures.length, failures[0].detail) : "");
    show();
  }
}
