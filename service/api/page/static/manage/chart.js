// Counts over time as stacked bars, and the same numbers as a table for whoever does not see them.

import { h, s } from "../base/dom.js";
import { count } from "../base/format.js";
import { T } from "../texts.js";

const WIDTH = 900;
const HEIGHT = 200;
const LEFT = 44;
const BOTTOM = 24;
const TOP = 10;
const GAP = 2;
/** Colours that the style has. */
export const COLOURS = 5;

/**
 * A chart.
 *
 * @param {string} title
 * @param {Array<{name: string, total: number, counts: Array<number>}>} series at most `COLOURS`.
 * @param {Array<string>} times the label of each bin.
 */
export function chart(title, series, times) {
  const sums = times.map((_, bin) => series.reduce((sum, one) => sum + one.counts[bin], 0));
  const top = niceTop(Math.max(1, ...sums));
  const room = HEIGHT - BOTTOM - TOP;
  const step = (WIDTH - LEFT) / times.length;
  const height = (value) => (value / top) * room;
  const lines = [0, top / 2, top].filter(Number.isInteger).map((value) => {
    const y = HEIGHT - BOTTOM - height(value);
    return [s("line.grid", { x1: LEFT, x2: WIDTH, y1: y, y2: y }),
      s("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, count(value))];
  });
  const bars = times.map((_, bin) => {
    let below = HEIGHT - BOTTOM;
    return series.map((one, index) => {
      const length = height(one.counts[bin]);
      below -= length;
      return length > 0 && s(`rect.bar${index}`, { x: LEFT + bin * step + GAP / 2, y: below, width: step - GAP, height: length });
    });
  });
  const every = Math.ceil(times.length / 6);
  const labels = times.map((text, bin) => bin % every === 0 && s("text", {
    x: LEFT + bin * step + step / 2, y: HEIGHT - 6, "text-anchor": bin === 0 ? "start" : "middle",
  }, text));
  const drawing = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", focusable: "false" }, lines, bars, labels);
  const keys = h("ul.keys", { "aria-hidden": "true" }, series.map((one, index) => h("li", {},
    s("svg", { viewBox: "0 0 10 10" }, s(`rect.bar${index}`, { width: 10, height: 10, rx: 2 })), one.name)));
  return h("figure.card.chart", {}, h("figcaption", {}, h("h2", {}, title)), drawing, keys,
    h("details", {}, h("summary", {}, T.queue.asTable), h("div.wide-table", { tabindex: "0", role: "region", "aria-label": title },
      table(title, series, times))));
}

/** Only the bins in which something is. */
function table(title, series, times) {
  const bins = times.map((text, bin) => [text, bin]).filter(([, bin]) => series.some((one) => one.counts[bin] > 0));
  const number = (value) => h("td.number", {}, count(value));
  return h("table.plain", {}, h("caption.hidden", {}, title),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, T.queue.since),
      series.map((one) => h("th", { scope: "col" }, one.name)))),
    h("tbody", {}, bins.map(([text, bin]) => h("tr", {}, h("th", { scope: "row" }, text), series.map((one) => number(one.counts[bin])))),
      h("tr", {}, h("th", { scope: "row" }, T.queue.total), series.map((one) => number(one.total)))));
}

/** A round number at least as large: 1, 2, 4, 6, 10, 20, 40 … */
function niceTop(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 10].map((one) => one * unit).find((one) => one >= value);
}
