// What a screen reader is told of things that change by themselves: at most one sentence in a few seconds.

import { h } from "./dom.js";

const QUIET = 4000;
const region = h("div.hidden", { role: "status", "aria-live": "polite" });
const urgent = h("div.hidden", { role: "alert" });
let next = null;
let timer = 0;

/** The regions, for the page. */
export const regions = [region, urgent];

/** Say something when there is time; a later text takes the place of one that was not said yet. */
export function announce(text) {
  next = text;
  if (timer) return;
  speak();
}

/** Say something at once. */
export function alarm(text) {
  urgent.textContent = "";
  urgent.textContent = text;
}

function speak() {
  timer = 0;
  if (next === null) return;
  region.textContent = next;
  next = null;
  timer = setTimeout(speak, QUIET);
}
