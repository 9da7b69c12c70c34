// The phases of an attempt as a waterfall: a bar for each, one after the other, in the colour of its hop.

import { h, s } from "../base/dom.js";
import { milliseconds } from "../base/format.js";
import { T } from "../texts.js";

const WIDTH = 860;
const ROW = 24;
const LABEL = 120;
const VALUE = 70;
const HOPS = 4;

/**
 * The drawing, and the same as a table for whoever does not see it.
 *
 * @param {Array<{hop: number, name: string, milliseconds: number}>} phases in their order.
 */
export function waterfall(phases) {
  const whole = phases.reduce((sum, phase) => sum + phase.milliseconds, 0) || 1;
  const room = WIDTH - LABEL - VALUE;
  let begun = 0;
  const rows = phases.map((phase, index) => {
    const start = LABEL + (begun / whole) * room;
    const length = Math.max(2, (phase.milliseconds / whole) * room);
    begun += phase.milliseconds;
    const y = index * ROW;
    return s("g", {},
      s("text.step", { x: 0, y: y + 16 }, T.why.phase(T.why.phases[phase.name] ?? phase.name, phase.hop)),
      s("rect.track", { x: LABEL, y: y + 4, width: room, height: ROW - 8, rx: 3 }),
      s(`rect.bar.hop${(phase.hop - 1) % HOPS}`, { x: Math.min(start, LABEL + room - 2), y: y + 4, width: length, height: ROW - 8, rx: 3 }),
      s("text.value", { x: WIDTH, y: y + 16, "text-anchor": "end" }, milliseconds(phase.milliseconds)));
  });
  const drawing = s("svg.waterfall", {
    viewBox: `0 0 ${WIDTH} ${Math.max(1, phases.length) * ROW}`, "aria-hidden": "true",
  }, rows);
  const table = h("table.plain.steps", {}, h("caption", {}, T.why.waterfall), h("thead", {}, h("tr", {},
    [T.why.request, T.why.step, T.why.took].map((text) => h("th", { scope: "col" }, text)))),
  h("tbody", {}, phases.map((phase) => h("tr", {}, h("td", {}, phase.hop), h("td", {}, T.why.phases[phase.name] ?? phase.name),
    h("td.number", {}, milliseconds(phase.milliseconds))))));
  return h("figure", {}, drawing, table);
}
