// One import in a list: its picture, how far it is, and what can be done. Its name opens what is known of it.

import { session } from "../api/session.js";
import { showThumbnail } from "../api/thumbnails.js";
import { allows, LIST } from "../api/token.js";
import { fill, h, linkTo, say } from "../base/dom.js";
import { duration, size, stamp } from "../base/format.js";
import { openDetails } from "../gallery/details.js";
import { T } from "../texts.js";
import { groups } from "../work/groups.js";
import { FAILED } from "../work/items.js";
import { act, canRetry } from "./acting.js";
import { remedyOf } from "./remedies.js";
import { openWhy } from "./why.js";

const SEEING = [...LIST, "image_download"];

/**
 * The row of an item.
 *
 * @returns {{row: Element, update: () => void}}
 */
export function itemRow(group, item) {
  const image = h("img", { alt: "", width: 48, height: 48, loading: "lazy" });
  const frame = h("span.thumb", { "aria-hidden": "true", click: () => item.importId && details(item) });
  const name = h("p.name");
  const told = h("span");
  const state = h("p.state", {}, told, originOf(item));
  const why = h("p.reason");
  const bar = h("progress", { max: 1, "aria-label": T.watch.progressOf(titleOf(item)) });
  const actions = h("div.row.actions");
  const row = h("li.item", { "data-item": item.id }, frame, h("div.about", {}, name, state, bar, why), actions);
  let shownImage = null;
  let shownError = "";
  let shownActions = "";
  update();
  return { row, update };

  function update() {
    row.dataset.state = FAILED.has(item.state) ? "failed" : item.state;
    showName();
    say(told, stateOf(item));
    showBar();
    showImage();
    showError();
    showActions();
  }

  function showName() {
    const title = titleOf(item);
    const isOpen = Boolean(item.importId);
    if (name.textContent === title && (name.firstElementChild !== null) === isOpen) return;
    fill(name, isOpen ? h("button.plain", { type: "button", click: () => details(item) }, title) : title);
  }

  function showBar() {
    const isMoving = item.state === "uploading" || item.state === "running";
    bar.hidden = !isMoving;
    if (!isMoving) return;
    if (item.received !== null && item.received !== undefined && item.total) bar.value = item.received / item.total;
    else bar.removeAttribute("value");
  }

  function showImage() {
    if (item.state !== "done" || !item.imageId || item.imageId === shownImage) return;
    if (!SEEING.some((ability) => allows(session.rights, ability, item.album))) return;
    shownImage = item.imageId;
    frame.append(image);
    showThumbnail(image, item.imageId, "small");
  }

  function showError() {
    const error = FAILED.has(item.state) || item.error ? item.error : null;
    const key = error ? `${error.code} ${error.detail}` : "";
    if (key === shownError) return;
    shownError = key;
    why.hidden = error === null;
    if (error === null) {
      fill(why);
      return;
    }
    const remedy = h("span.remedy");
    fill(why, h("span", {}, error.detail ?? error.code), " ", remedy);
    remedyOf(item).then((text) => say(remedy, text));
  }

  function showActions() {
    const title = titleOf(item);
    const mayAdd = allows(session.rights, "image_upload", item.album);
    const wanted = [
      mayAdd && canRetry(item) && "retry", item.importId && FAILED.has(item.state) && "why",
      mayAdd && (item.importId || item.isFile) && !FAILED.has(item.state) && item.state !== "done" &&
        item.state !== "cancelled" && "cancel",
    ].filter(Boolean);
    if (wanted.join() === shownActions) return;
    shownActions = wanted.join();
    const made = {
      retry: () => button(T.watch.retry, title, () => act("retry", group, item)),
      why: () => button(T.watch.why, title, () => openWhy(item)),
      cancel: () => button(T.cancel, title, () => act("cancel", group, item)),
    };
    const hadFocus = actions.contains(document.activeElement);
    fill(actions, wanted.map((action) => made[action]()));
    if (hadFocus) (actions.querySelector("button") ?? row.closest("section")?.querySelector("h2"))?.focus();
  }
}

function button(text, title, click) {
  return h("button.small", { type: "button", "aria-label": T.watch.actionOn(text, title), click }, text);
}

function details(item) {
  openDetails(item.importId, { changed: (entry, document) => document && groups.take(document) });
}

/** Where an item comes from: a link to its origin. */
function originOf(item) {
  const host = /^https?:/i.test(item.url ?? "") && URL.canParse(item.url) ? new URL(item.url).host : "";
  if (!host) return null;
  const link = linkTo(item.url, host);
  link.setAttribute("aria-label", T.watch.openOrigin(item.url));
  return h("span.origin", {}, T.watch.from, link);
}

/** What an item is called. */
export function titleOf(item) {
  if (item.label === "") return T.watch.line(item.line);
  return item.url?.startsWith("data:") ? T.watch.dataUrl(item.label.length) : item.label;
}

/** The state of an item, in words. */
export function stateOf(item) {
  const parts = [item.isLost && item.state === "unloaded" ? T.watch.lost : T.states[item.state] ?? item.state];
  if (item.state === "done") {
    if (item.sides) parts.push(T.watch.sides(...item.sides));
    if (item.size) parts.push(size(item.size));
  } else if (item.received !== null && item.received !== undefined && (item.state === "uploading" || item.state === "running")) {
    parts.push(item.total ? T.watch.bytesOf(size(item.received), size(item.total)) : size(item.received));
    if (item.total && item.rate > 0 && item.received < item.total) {
      parts.push(T.watch.left(duration((item.total - item.received) / item.rate)));
    }
  } else if (FAILED.has(item.state)) {
    const tried = (item.tried ?? 0) + (item.attempts ?? 0);
    if (tried > 1) parts.push(T.watch.tried(tried));
    if (item.seen) parts.push(stamp(new Date(item.seen)));
  } else if (item.isFile && item.size && item.state === "unloaded") parts.push(size(item.size));
  return parts.join(" · ");
}
