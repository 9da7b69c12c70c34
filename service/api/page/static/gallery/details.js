// Everything that is known of one import, and what can be done with it.

import { call, Failure } from "../api/client.js";
import { session } from "../api/session.js";
import { thumbnail } from "../api/thumbnails.js";
import { allows } from "../api/token.js";
import { ask } from "../base/ask.js";
import { copyButton } from "../base/clipboard.js";
import { dialog } from "../base/dialog.js";
import { fill, h, linkTo } from "../base/dom.js";
import { count, moment, size } from "../base/format.js";
import { announce } from "../base/live.js";
import { deliveryList } from "../manage/deliveries.js";
import { T } from "../texts.js";
import { remedyOf } from "../watch/remedies.js";
import { openWhy } from "../watch/why.js";
import { ACTIONS, actOn, linkOf } from "./actions.js";
import { entryOf, hasImage, isFinal, titleOf, urlsOf } from "./entry.js";

const AGAIN = 2000;

/**
 * Open the details of an import.
 *
 * @param {string} id
 * @param {{changed: (entry: Entry, document: object|null|undefined) => void, closed: () => void}} options
 */
export async function openDetails(id, { changed = () => {}, closed = () => {} } = {}) {
  const stop = new AbortController();
  const { signal } = stop;
  const place = h("div.details", {}, h("p.hint", {}, T.find.reading));
  const box = dialog(T.find.details, [place], { wide: true, closed: () => {
    stop.abort();
    closed();
  } });
  let timer = 0;
  let shown = null;
  signal.addEventListener("abort", () => clearTimeout(timer));
  await read();

  async function read() {
    try {
      const document = await call(`/api/v1/imports/${encodeURIComponent(id)}`, { signal });
      // What has not changed stays, and so does the focus within it.
      if (document.updated_at === shown?.updated_at && document.status === shown.status) timer = setTimeout(read, AGAIN);
      else show(document);
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof Failure)) throw failure;
      if (failure.isPassing) timer = setTimeout(read, AGAIN);
      if (!failure.isPassing || !shown) {
        fill(place, h("p.fault", { role: "alert" }, failure.status === 404 ? T.find.unknown : failure.detail));
      }
    }
  }

  function show(document) {
    const entry = entryOf(document);
    shown = document;
    changed(entry, document);
    box.querySelector("h2").textContent = entry.title;
    fill(place, h("div.sides", {}, h("div.stack", {}, picture(entry, signal), actionsOf(document, entry)),
      h("div.stack", {}, errorOf(document), facts(document))), metadataOf(document), deliveriesOf(document, signal));
    if (!isFinal(entry)) timer = setTimeout(read, AGAIN);
  }

  function actionsOf(document, entry) {
    const fault = h("p.fault", { role: "alert" });
    const button = (name) => h(name === "delete" ? "button.small.danger" : "button.small", { type: "button", click: () => act(name) },
      T.find.act[name](1));
    const item = { importId: entry.id, url: urlsOf(document)[0] ?? null, album: entry.album };
    const names = Object.keys(ACTIONS).filter((name) => ACTIONS[name].fits(entry));
    return h("div.stack", {}, h("div.row", {},
      names.filter((name) => name !== "delete").map(button),
      copyButton(linkOf(entry), T.find.copyLink, T.find.copyLink),
      h("button.small", { type: "button", click: () => openWhy(item) }, T.find.attemptsShown),
      names.filter((name) => name === "delete").map(button)), fault); // what destroys stands last

    async function act(name) {
      if (name === "delete" && !(await ask(T.find.askDelete(1), T.find.askDeleteLead, T.find.act.delete(1)))) return;
      const { failures } = await actOn(name, [entry], (one, answer) => {
        announce(T.find.acted[name](1));
        if (answer === null) {
          changed(one, null);
          box.close();
        } else if (answer !== undefined) {
          show(answer);
          place.querySelector("button")?.focus();
        }
      });
      if (failures.length) fault.textContent = failures[0].detail;
    }
  }
}

function picture(entry, signal) {
  const frame = h("figure.large", {}, h("span.hint", {}, hasImage(entry) ? T.find.pictureComes : T.find.noPicture));
  if (hasImage(entry)) {
    thumbnail(entry.imageId, "large", signal).then((url) => {
      if (signal.aborted) return;
      fill(frame, url ? h("img", { src: url, alt: entry.title }) : h("span.hint", {}, T.find.noPicture));
    });
  }
  return frame;
}

function facts(document) {
  const { image, params } = document;
  const created = new Date(document.created_at);
  const urls = urlsOf(document);
  const tags = (Array.isArray(params.tags) ? params.tags : [params.tags]).filter((one) => typeof one === "string" && one);
  const rows = [
    [T.find.facts.state, T.states[document.status] ?? document.status],
    [T.find.facts.album, document.album_id],
    [T.find.facts.url, urls.length > 0 && urls.map((url) => h("p", {}, url.startsWith("data:") ? T.watch.dataUrl(url.length) : linkTo(url)))],
    [T.find.facts.tags, tags.length > 0 && tags.join(", ")],
    [T.find.facts.created, moment(created)],
    [T.find.facts.updated, moment(new Date(document.updated_at))],
    [T.find.facts.attempts, count(document.attempts)],
    ...(image ? [
      [T.find.facts.format, `${image.format} (${image.content_type})`],
      [T.find.facts.sides, T.watch.sides(image.width, image.height)],
      [T.find.facts.orientation, T.find.orientations[image.orientation] ?? image.orientation],
      [T.find.facts.frames, image.frames > 1 && count(image.frames)],
      [T.find.facts.size, size(image.byte_size)],
      [T.find.facts.sha256, h("code", {}, image.sha256)],
      [T.find.facts.storage, image.storage],
      [T.find.facts.notes, image.notes?.join(", ")],
      [T.find.facts.duplicateOf, image.duplicate_of && h("code", {}, image.duplicate_of)],
      [T.find.facts.deleted, image.deleted_at && moment(new Date(image.deleted_at))],
    ] : []),
    [T.find.facts.imageId, document.image_id && h("code", {}, document.image_id)],
    [T.find.facts.id, h("code", {}, document.id)],
  ].filter(([, told]) => told);
  return h("dl.facts", {}, rows.map(([term, told]) => [h("dt", {}, term), h("dd", {}, told)]));
}

function errorOf(document) {
  const { error } = document;
  if (!error) return null;
  const remedy = h("p.remedy");
  remedyOf({ importId: document.id, error }).then((text) => { remedy.textContent = text; });
  return h("div.told", {}, h("p", {}, error.detail ?? "", " ", h("code", {}, error.code)), remedy);
}

function metadataOf(document) {
  const metadata = document.params.metadata ?? document.params.metadatas;
  if (metadata === null || typeof metadata !== "object" || Object.keys(metadata).length === 0) return null;
  const rows = Object.entries(metadata).map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name),
    h("td", {}, typeof value === "string" ? value : JSON.stringify(value))));
  return h("section.stack", {}, h("h3", {}, T.find.metadata), h("table.plain", {}, h("thead", {}, h("tr", {},
    h("th", { scope: "col" }, T.add.metadataName), h("th", { scope: "col" }, T.add.metadataValue))), h("tbody", {}, rows)));
}

/** The deliveries of the import's own webhook, if it has one, and the token may see them. */
function deliveriesOf(document, signal) {
  if (!document.params.webhook || !allows(session.rights, "webhook_manage")) return null;
  return h("section.stack", {}, h("h3", {}, T.hooks.deliveries),
    deliveryList(`/api/v1/imports/${document.id}/deliveries`, signal).element);
}
