// Where the page begins: who uses it, then what it shows, then the work that goes on.

import { session } from "./api/session.js";
import { checkToken } from "./shell/account.js";
import { openFrame, refresh } from "./shell/frame.js";
import { askAgain } from "./shell/signin.js";
import { beginWork, endWork, pauseWork, resumeWork } from "./work/start.js";

/** Whose work goes on, and what the views were shown for. */
let owner = null;
let shown = null;

session.start(); // the token leaves the address before anything else happens
shown = whatCounts();
openFrame();
session.addEventListener("begun", begun);
session.addEventListener("ended", ended);
session.addEventListener("left", left);
if (session.isOver) ended();
else if (session.rights !== null) begun();

function begun() {
  if (whatCounts() !== shown) {
    shown = whatCounts();
    refresh();
  }
  if (session.owner !== owner) {
    if (owner !== null) endWork(false);
    owner = session.owner;
    beginWork();
  } else resumeWork();
  checkToken();
}

function ended() {
  pauseWork();
  askAgain(session.rights.endsAt !== null && session.rights.endsAt <= Date.now());
}

function left() {
  owner = null;
  shown = whatCounts();
  refresh();
  endWork(true);
}

/** What the views depend on: another token with the same rights leaves them as they are. */
function whatCounts() {
  const { rights } = session;
  if (rights === null) return "";
  return JSON.stringify([session.owner, rights.admin, [...rights.albums].map(([album, granted]) => [album, ...granted])]);
}
