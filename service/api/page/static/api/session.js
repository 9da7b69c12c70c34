// Who uses the page: the token, in this tab alone. It comes by the fragment of a link, which no server and no log sees,
// or is pasted. It leaves the address at once, and is kept until the tab closes. The link may name a view, too:
// `#token=…&view=find`.

import { readToken } from "./token.js";

const KEY = "lading-token";
const LONGEST_TIMER = 2 ** 31 - 1;

/** Events: `begun` with a token, `ended` when it is over or refused, `left` after a sign-out. */
class Session extends EventTarget {
  rights = null;
  isOver = false;
  #timer = 0;

  /** Take the token out of the address, or out of what the tab kept. */
  start() {
    const found = this.#fromAddress() ?? sessionStorage.getItem(KEY);
    addEventListener("hashchange", () => {
      const token = this.#fromAddress();
      if (token) this.begin(token);
    });
    if (found) this.begin(found);
  }

  #fromAddress() {
    const match = /^#token=([^&]*)(?:&view=(\w+))?/.exec(location.hash);
    if (!match) return null;
    history.replaceState(null, "", location.pathname + (match[2] ? `#${match[2]}` : ""));
    try {
      return decodeURIComponent(match[1]);
    } catch {
      return match[1];
    }
  }

  /**
   * Use a token.
   *
   * @returns {boolean} whether it is one.
   */
  begin(text) {
    const rights = readToken(text);
    if (rights === null) return false;
    sessionStorage.setItem(KEY, rights.token);
    this.rights = rights;
    this.isOver = false;
    clearTimeout(this.#timer);
    if (rights.endsAt) {
      const left = rights.endsAt - Date.now();
      if (left <= 0) {
        this.refuse(rights.token);
        return true;
      }
      this.#await(rights);
    }
    this.dispatchEvent(new Event("begun"));
    return true;
  }

  /** Wait for the end of a token: a timer lasts 24 days at most. */
  #await(rights) {
    const left = rights.endsAt - Date.now();
    this.#timer = left > LONGEST_TIMER
      ? setTimeout(() => this.#await(rights), LONGEST_TIMER)
      : setTimeout(() => this.refuse(rights.token), left);
  }

  /** The service refused a token, or its time is over. */
  refuse(token) {
    if (this.rights?.token !== token || this.isOver) return;
    this.isOver = true;
    sessionStorage.removeItem(KEY);
    this.dispatchEvent(new Event("ended"));
  }

  /** Sign out: forget the token. */
  leave() {
    clearTimeout(this.#timer);
    sessionStorage.removeItem(KEY);
    this.rights = null;
    this.isOver = false;
    this.dispatchEvent(new Event("left"));
  }

  /** Whose the work in this browser is: another token of the same person goes on with it. */
  get owner() {
    return this.rights === null ? null : JSON.stringify([this.rights.issuer, this.rights.subject]);
  }

  /** Wait until there is a token that was not refused. */
  ready() {
    if (this.rights !== null && !this.isOver) return Promise.resolve(this.rights);
    return new Promise((resolve) => {
      this.addEventListener("begun", () => resolve(this.rights), { once: true });
    });
  }
}

export const session = new Session();
