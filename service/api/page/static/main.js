// Where the page begins: who uses it, then what it shows.

import { session } from "./api/session.js";
import { checkToken } from "./shell/account.js";
import { openFrame, refresh } from "./shell/frame.js";
import { askAgain } from "./shell/signin.js";
import { beginWork, endWork } from "./work/start.js";

let owner = null;

session.addEventListener("begun", () => {
  if (session.owner !== owner) {
    const isOther = owner !== null;
    owner = session.owner;
    refresh();
    if (isOther) endWork(false).then(beginWork);
    else beginWork();
  }
  checkToken();
});
session.addEventListener("ended", () => askAgain(session.rights.endsAt !== null && session.rights.endsAt <= Date.now()));
session.addEventListener("left", () => {
  owner = null;
  refresh();
  endWork(true);
});

openFrame();
session.start();
