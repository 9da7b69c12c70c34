// The gallery itself: a list of any length, of which only what is in view is in the document.

import { h } from "../base/dom.js";
import { T } from "../texts.js";
import { MOST } from "./selection.js";
import { Tile } from "./tile.js";

/** Lengths in the size of the page's letters, so that the tiles grow with them. */
const NARROWEST = 9;
const CAPTION = 3.4;
const GAP = 0.75;
/** Rows beyond each edge of the view. */
const BEYOND = 2;
/** Milliseconds between two times at which pictures are asked for: whatever flies past asks for none. */
const RHYTHM = 80;

/**
 * The grid of the entries that `source()` has, which is a `Pages`.
 *
 * @param {{source: () => Pages, selection: Selection, opened: (index: number) => void, removed: () => void}} options
 * @returns {{element: Element, show: () => void, focus: () => void, restart: () => void, close: () => void}}
 */
export function grid({ source, selection, opened, removed }) {
  const element = h("div.gallery", {
    role: "listbox", "aria-multiselectable": "true", "aria-label": T.find.list, tabindex: "0", keydown, click,
    focus: focused,
  });
  const tiles = new Map();
  const stop = new AbortController();
  let shape = { columns: 1, width: 0, tile: 0, row: 1 };
  let active = -1;
  let anchor = -1;
  /** The span that was selected last, so that a longer one reads no page twice. */
  let taken = null;
  let frame = 0;
  let loading = 0;
  let loaded = 0;
  const observer = new ResizeObserver(show);
  observer.observe(element);
  addEventListener("scroll", show, { signal: stop.signal, passive: true });
  addEventListener("resize", show, { signal: stop.signal });
  selection.addEventListener("changed", () => {
    if (taken && selection.size < taken.size) taken = null;
    show();
  }, { signal: stop.signal });
  return { element, show, focus: () => element.focus({ preventScroll: true }), restart, close };

  function close() {
    stop.abort();
    observer.disconnect();
    cancelAnimationFrame(frame);
    clearTimeout(loading);
    tiles.forEach((tile) => tile.close());
  }

  /** Another list: from its beginning. */
  function restart() {
    active = anchor = -1;
    taken = null;
    show();
  }

  /** Draw at the next frame, however often it is asked for. */
  function show() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  }

  function measure() {
    const unit = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    const gap = GAP * unit;
    const width = element.clientWidth;
    const columns = Math.max(2, Math.floor((width + gap) / (NARROWEST * unit + gap)));
    const tile = (width - (columns - 1) * gap) / columns;
    shape = { columns, width, tile, gap, row: tile * 0.75 + CAPTION * unit + gap, height: tile * 0.75 + CAPTION * unit };
  }

  function draw() {
    const pages = source();
    element.hidden = pages.count === 0;
    measure();
    if (shape.width <= 0) return;
    const top = -element.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / shape.row) - BEYOND) * shape.columns;
    const end = Math.max(0, Math.ceil((top + innerHeight) / shape.row) + BEYOND) * shape.columns;
    pages.want(first, end);
    const last = Math.min(end, pages.count);
    element.style.height = `${Math.ceil(pages.count / shape.columns) * shape.row}px`;
    for (const [index, tile] of tiles) {
      if (index >= first && index < last) continue;
      tile.close();
      tiles.delete(index);
    }
    for (let index = first; index < last; index += 1) place(pages, index);
    const found = tiles.get(active);
    if (found) element.setAttribute("aria-activedescendant", found.element.id);
    else element.removeAttribute("aria-activedescendant");
    load();
  }

  function place(pages, index) {
    let tile = tiles.get(index);
    if (!tile) {
      tile = new Tile();
      tiles.set(index, tile);
      element.append(tile.element);
    }
    const { columns, tile: width, gap, row, height } = shape;
    const left = (index % columns) * (width + gap);
    tile.element.style.transform = `translate(${left}px, ${Math.floor(index / columns) * row}px)`;
    tile.element.style.width = `${width}px`;
    tile.element.style.height = `${height}px`;
    const entry = pages.at(index);
    tile.show(entry, {
      index, total: pages.isWhole ? pages.count : -1, isActive: index === active,
      isSelected: entry !== null && selection.has(entry.id),
    });
  }

  /** Ask for the pictures of the tiles in view, from time to time. */
  function load() {
    if (loading) return;
    loading = setTimeout(() => {
      loading = 0;
      loaded = performance.now();
      // The latest wish is fetched first: from the last tile to the first.
      for (const [, tile] of [...tiles].sort((a, b) => b[0] - a[0])) tile.load();
    }, Math.max(0, RHYTHM - (performance.now() - loaded)));
  }

  function firstInView() {
    const top = -element.getBoundingClientRect().top;
    return Math.min(Math.max(0, Math.ceil(top / shape.row)) * shape.columns, source().count - 1);
  }

  function focused() {
    if (active < 0) active = firstInView();
    else if (element.matches(":focus-visible")) reveal(active);
    show();
  }

  /** Make another entry the active one, and bring it into view. */
  function move(index, isExtending) {
    const { count } = source();
    if (count === 0) return;
    const before = active;
    active = Math.min(Math.max(0, index), count - 1);
    if (isExtending) extend(anchor < 0 ? before : anchor, active);
    else anchor = active;
    reveal(active);
    show();
  }

  function reveal(index) {
    const top = element.getBoundingClientRect().top + Math.floor(index / shape.columns) * shape.row;
    const margin = shape.row / 4;
    if (top < margin) scrollBy(0, top - margin);
    else if (top + shape.height > innerHeight - margin) scrollBy(0, top + shape.height - innerHeight + margin);
  }

  async function extend(from, to) {
    if (anchor < 0) anchor = from;
    // As many as may be selected, next to where the selection begins.
    let first = Math.max(0, Math.min(from, to), from - MOST + 1);
    let last = Math.min(Math.max(from, to), from + MOST - 1);
    const before = taken;
    taken = { first, last, size: 0 };
    if (before && first >= before.first && first <= before.last + 1) {
      taken.first = before.first;
      taken.last = Math.max(last, before.last);
      first = before.last + 1;
    } else if (before && last <= before.last && last >= before.first - 1) {
      taken.first = Math.min(first, before.first);
      taken.last = before.last;
      last = before.first - 1;
    }
    const pages = source();
    const own = taken;
    const entries = first > last ? [] : await pages.between(first, last);
    if (stop.signal.aborted || source() !== pages) return; // they are of another list
    selection.add(entries);
    own.size = selection.size;
    if (entries.length < last - first + 1 && taken === own) taken = null;
  }

  function toggle(index) {
    const entry = source().at(index);
    if (entry) selection.toggle(entry);
    anchor = index;
  }

  function keydown(event) {
    const { columns, row } = shape;
    const page = Math.max(1, Math.floor(innerHeight / row) - 1) * columns;
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page,
      Home: -Infinity, End: Infinity,
    };
    const isWith = event.ctrlKey || event.metaKey;
    if (event.key in steps && !isWith && !event.altKey) move(active + steps[event.key], event.shiftKey);
    else if (event.key === " ") toggle(active);
    else if (event.key === "Enter") opened(active);
    else if (event.key === "Delete" && selection.size) removed();
    else if (event.key === "Escape" && selection.size) selection.clear();
    else if (event.key.toLowerCase() === "a" && isWith) extend(0, source().count - 1);
    else return;
    event.preventDefault();
  }

  function click(event) {
    const found = event.target.closest(".tile");
    const index = [...tiles].find(([, tile]) => tile.element === found)?.[0];
    if (index === undefined) return;
    if (event.shiftKey && anchor >= 0) {
      const from = anchor;
      active = index;
      extend(from, index);
    } else {
      active = index;
      const isChoosing = event.ctrlKey || event.metaKey || event.target.closest(".check") || selection.size > 0;
      if (isChoosing) toggle(index);
      else opened(index);
    }
    show();
  }
}
