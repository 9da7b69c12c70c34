// What a screen reader is told of things that change by themselves: at most one sentence in a few seconds. Whatever is
// outside an open modal dialog is inert, regions too (WHATWG HTML, section 6.3), so each dialog has a region of its own.

import { h } from "./dom.js";

const QUIET = 4000;
/** The regions of the page and of the dialogs over it, the topmost last. */
const regions = [];
let next = null;
let said = "";
let timer = 0;

/** A region for the page, or for a dialog over it. Whatever is announced goes there until it is closed. */
export function openRegion() {
  const region = h("div.hidden", { role: "status", "aria-live": "polite" });
  regions.push(region);
  return region;
}

/** The dialog of a region closes. A text of the last moment, which nobody may have heard, is said beneath it again. */
export function closeRegion(region) {
  const wasHeard = !timer || region !== regions.at(-1);
  regions.splice(regions.indexOf(region), 1);
  if (!wasHeard) regions.at(-1).textContent = said;
}

/** Say something when there is time; a later text takes the place of one that was not said yet. */
export function announce(text) {
  next = text;
  if (!timer) speak();
}

function speak() {
  timer = 0;
  if (next === null) return;
  said = next;
  next = null;
  regions.at(-1).textContent = said;
  timer = setTimeout(speak, QUIET);
}
