// Why an import ended as it did: its attempts, and what would happen if it were tried now.

import { call, Failure } from "../api/client.js";
import { session } from "../api/session.js";
import { allows } from "../api/token.js";
import { dialog } from "../base/dialog.js";
import { fill, h, linkTo } from "../base/dom.js";
import { milliseconds, moment, size } from "../base/format.js";
import { announce } from "../base/live.js";
import { T } from "../texts.js";
import { waterfall } from "./waterfall.js";

/** Open the dialog about an item. */
export async function openWhy(item) {
  const attempts = h("div.stack", { "aria-live": "polite" }, h("p.hint", {}, T.why.loading));
  const now = h("div.stack");
  const mayTry = item.url !== null && allows(session.rights, "image_upload", item.album);
  const look = h("button", { type: "button", click: () => lookNow(item, now, look) }, T.why.look);
  const subject = item.url && !item.url.startsWith("data:") && h("p.subject", {}, linkTo(item.url));
  dialog(T.why.title, [subject, attempts, mayTry && h("div.stack", {}, h("div.row", {}, look, h("p.hint", {}, T.why.lookHint)), now)]
    .filter(Boolean), { wide: true });
  try {
    const trace = await call(`/api/v1/imports/${item.importId}/trace`);
    fill(attempts, trace.attempts.length ? trace.attempts.map((one, index) => attempt(one, index + 1)) : h("p", {}, T.why.none));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    fill(attempts, h("p.fault", {}, failure.detail));
  }
}

function attempt(one, number) {
  const hops = one.redirects.length === 0 ? null : h("ol.hops", {}, one.redirects.map((url) => h("li", {}, T.why.redirect, " ", linkTo(url))));
  return h("section.attempt.stack", {},
    h("h3", {}, T.why.attempt(number, T.states[one.status] ?? one.status, milliseconds(one.milliseconds))),
    h("p.hint", {}, moment(new Date(one.began_at))),
    one.error && told(one.error), hops, one.phases.length > 0 && waterfall(one.phases));
}

function told(error) {
  return h("div.told", {}, h("p", {}, error.detail ?? "", " ", h("code", {}, error.code)),
    error.hint && h("p.remedy", {}, error.hint.replaceAll("`", "")));
}

async function lookNow(item, place, button) {
  button.setAttribute("aria-disabled", "true");
  fill(place, h("p.hint", {}, T.why.looking));
  try {
    const { params } = await call(`/api/v1/imports/${item.importId}`);
    const { controller, action, ...wanted } = params;
    const verdict = await call("/api/v1/imports/preflight", { method: "POST", json: wanted });
    fill(place, verdictOf(verdict));
    announce(verdict.would_succeed ? T.why.would : T.why.wouldNot);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    fill(place, h("p.fault", { role: "alert" }, failure.detail));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

function verdictOf(verdict) {
  return h("section.attempt.stack", {},
    h("h3", {}, verdict.would_succeed ? T.why.would : T.why.wouldNot),
    verdict.error && told(verdict.error),
    verdict.mirrors.map((mirror) => [mirror.url && h("p", {}, linkTo(mirror.url)), findings(mirror.findings)]),
    verdict.image && h("p.hint", {}, T.why.image(verdict.image.format, verdict.image.width, verdict.image.height,
      size(verdict.image.byte_size))));
}

/** The verdicts on each hop. */
function findings(all) {
  const hops = grouped(all);
  return h("ol.hops", {}, [...hops].map(([hop, found]) => h("li", {}, h("p", {}, T.why.hop(hop), " ", linkTo(found[0].url)),
    h("ul.verdicts", {}, found.map((one) => h("li", { class: one.allowed ? "good" : "bad" },
      h("span.mark", { "aria-hidden": "true" }, one.allowed ? "✓" : "✗"),
      ` ${T.why.subjects[one.subject] ?? one.subject}: ${one.rule === "allowed" ? T.why.allowed : one.rule}`))))));
}

function grouped(all) {
  const hops = new Map();
  for (const one of all) hops.set(one.hop, [...(hops.get(one.hop) ?? []), one]);
  return hops;
}
