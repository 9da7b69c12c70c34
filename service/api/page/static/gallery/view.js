// The view that finds imports: albums, filters, the gallery, and what can be done with the selected ones.

import { call } from "../api/client.js";
import { session } from "../api/session.js";
import { mayList } from "../api/token.js";
import { fill, h, say } from "../base/dom.js";
import { count } from "../base/format.js";
import { announce } from "../base/live.js";
import { readdress } from "../shell/going.js";
import { T } from "../texts.js";
import { selectionBar } from "./bar.js";
import { openDetails } from "./details.js";
import { entryOf, isFinal } from "./entry.js";
import { albumStrip } from "./albums.js";
import { addressOf, filterFields, NONE, queryOf, wantedIn, wordsOf } from "./filters.js";
import { grid } from "./grid.js";
import { Pages } from "./pages.js";
import { Selection } from "./selection.js";

const TICK = 4000;
const MOST_ASKED = 12;

/** The filters stay when another view is shown. */
let wanted = NONE;
session.addEventListener("left", () => {
  wanted = NONE;
  if (location.hash.startsWith("#find")) readdress("find"); // the next person is not told what this one has looked for
});

export const find = { name: "find", title: T.views.find, isAllowed: (rights) => mayList(rights), open };

function open(place, route, query) {
  wanted = wantedIn(query) ?? wanted;
  const stop = new AbortController();
  const { signal } = stop;
  const selection = new Selection();
  let pages = null;
  const told = h("p.lead", { role: "status" });
  const fresh = h("button.small", { type: "button", hidden: true, click: () => {
    begin();
    strip.read();
  } }, T.find.fresh);
  const fault = h("p.fault", { role: "alert" });
  const onward = h("button", { type: "button", hidden: true, click: () => pages.goOn() });
  const end = h("p.hint.end");
  const bar = selectionBar(selection, { changed: took, left: () => list.focus() });
  const list = grid({ source: () => pages, selection, opened, removed: () => bar.remove() });
  const strip = albumStrip((album) => filters.setAlbum(album), (albums) => filters.known(albums), signal);
  const filters = filterFields(wanted, (now) => {
    if (JSON.stringify(now) === JSON.stringify(wanted)) return;
    wanted = now;
    readdress(addressOf(wanted));
    selection.clear();
    begin();
  });
  begin();
  strip.read();
  fill(place, h("div.row.spread", {}, h("div", {}, h("h1", {}, T.find.title), told), fresh), strip.list, filters.form,
    list.element, h("div.stack.tail", {}, fault, onward, end), bar.element);
  const timer = setInterval(look, TICK);
  session.addEventListener("begun", () => pages.fault && pages.goOn(), { signal });
  const restore = () => signal.aborted || readdress(addressOf(wanted));
  if (route) openDetails(route, { changed: took, closed: restore });
  else if (addressOf(wanted) !== "find") restore();
  return () => {
    stop.abort();
    clearInterval(timer);
    pages.close();
    list.close();
    bar.close();
  };

  function begin() {
    pages?.close();
    pages = new Pages(queryOf(wanted), wordsOf(wanted));
    pages.addEventListener("changed", show);
    strip.choose(wanted.album);
    fresh.hidden = true;
    list.restart();
    pages.want(0, 1);
    show();
  }

  function show() {
    const { count: found, isWhole, isPaused, isReading, looked } = pages;
    const words = wordsOf(wanted).length > 0;
    const text = isReading && found === 0 ? T.find.reading : T.find.found(count(found), isWhole, words ? count(looked) : null);
    say(told, text);
    say(fault, pages.fault?.detail ?? "");
    onward.hidden = !pages.fault && !isPaused;
    say(onward, pages.fault ? T.watch.retry : T.find.lookFurther(count(looked)));
    say(end, isReading ? T.find.reading : isWhole ? (found === 0 ? T.find.none : T.find.all) : "");
    list.show();
  }

  function took(entry, document) {
    if (document === undefined) return;
    if (document === null) {
      pages.remove(entry.id);
      selection.take(entry.id, null);
      return;
    }
    pages.take(document);
    selection.take(entry.id, entryOf(document));
  }

  function opened(index) {
    const entry = pages.at(index);
    if (entry) openDetails(entry.id, { changed: took, closed: () => list.focus() });
  }

  /** Look after the imports in view that are not final, and for newer ones. */
  async function look() {
    if (document.hidden || session.isOver || pages.isReading || pages.fault) return;
    const asked = [...list.element.querySelectorAll(".tile")].map((tile) => pages.at(pages.indexOf(tile.dataset.id)))
      .filter((entry) => entry && !isFinal(entry)).slice(0, MOST_ASKED);
    const from = pages;
    try {
      for (const entry of asked) {
        took(entry, await call(`/api/v1/imports/${entry.id}`, { signal }).catch((failure) => {
          if (failure.status === 404) return null; // it was deleted elsewhere
          throw failure;
        }));
      }
      if (!fresh.hidden || wanted.text) return;
      const { imports } = await call(`/api/v1/imports?${new URLSearchParams([...queryOf(wanted), ["limit", "1"]])}`, { signal });
      if (from !== pages || imports.length === 0) return;
      const newest = pages.at(0);
      if (newest && (newest.id === imports[0].id || newest.at > Date.parse(imports[0].created_at))) return;
      if (!newest && pages.count > 0) return;
      if (pages.count === 0) begin();
      else {
        fresh.hidden = false;
        announce(T.find.fresh);
      }
    } catch {
      // the next look may succeed
    }
  }
}
