// Whose token it is, what it allows, when it ends.

import { call } from "../api/client.js";
import { session } from "../api/session.js";
import { mayList } from "../api/token.js";
import { dialog } from "../base/dialog.js";
import { h, say } from "../base/dom.js";
import { ago, duration, moment } from "../base/format.js";
import { T } from "../texts.js";

const TICK = 15000;
let organization = null;

/** The button in the header; it tells how long the token is valid. */
export function accountButton() {
  const name = h("span.name");
  const left = h("span.left");
  const button = h("button.account", { type: "button", title: T.account.open, click: openAccount }, name, left);
  const show = () => {
    button.hidden = session.rights === null;
    if (session.rights === null) return;
    say(name, session.rights.subject ?? session.rights.issuer);
    say(left, leftOf(session.rights));
    button.classList.toggle("ending", isEnding(session.rights));
  };
  for (const event of ["begun", "ended", "left"]) session.addEventListener(event, show);
  setInterval(show, TICK);
  show();
  return button;
}

/** Ask the service whether it accepts the token; whoever may list learns the organisation's name as well. */
export async function checkToken() {
  const { rights } = session;
  organization = null;
  if (!mayList(rights)) return; // the first request that needs more than the token's own word tells
  const answer = await call("/api/v1/imports?limit=1").catch(() => null); // 401 ends the session
  if (session.rights === rights) organization = answer?.imports[0]?.organization_id ?? null;
}

function isEnding(rights) {
  return rights.endsAt !== null && rights.endsAt - Date.now() < 10 * 60 * 1000;
}

function leftOf(rights) {
  if (rights.endsAt === null) return T.account.endless;
  const seconds = (rights.endsAt - Date.now()) / 1000;
  return seconds <= 0 ? T.account.over : T.account.left(duration(seconds));
}

function openAccount() {
  const { rights } = session;
  const facts = [
    [T.account.issuer, rights.issuer],
    rights.subject && [T.account.subject, rights.subject],
    organization && [T.account.organization, organization],
    [T.account.ends, rights.endsAt === null ? T.account.never : `${moment(rights.endsAt)} (${ago(rights.endsAt)})`],
    [T.account.allows, rights.admin ? T.account.everything : albums(rights)],
  ].filter(Boolean);
  const leave = () => {
    box.close();
    session.leave();
  };
  const box = dialog(T.account.title, [
    h("dl.facts", {}, facts.map(([term, told]) => [h("dt", {}, term), h("dd", {}, told)])),
    h("div.row", {}, h("button", { type: "button", click: leave }, T.account.leave),
      h("p.hint", {}, T.account.leaveNote)),
  ]);
}

function albums(rights) {
  if (rights.albums.size === 0) return T.account.nothing;
  const rows = [...rights.albums].map(([album, granted]) => h("tr", {}, h("th", { scope: "row" }, album),
    h("td", {}, [...granted].map((name) => T.abilities[name] ?? name).join(", "))));
  return h("table.plain", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, T.account.album),
    h("th", { scope: "col" }, T.account.abilities))), h("tbody", {}, rows));
}
