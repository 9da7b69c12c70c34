// Items that were added together. `groups.js` says what an item is.

/** What changes in an item that is tried again: the service counts the attempts of each try anew. */
export const again = (item) => ({ seen: null, error: null, attempts: 0, tried: (item.tried ?? 0) + (item.attempts ?? 0) });

/** States of failures. */
export const FAILED = new Set(["failed", "refused"]);
/** What is known of an item for the moment, and not written. */
const PASSING = new Set(["received", "total", "rate", "heard", "measured"]);

/** Whether a fact of an item is written. */
export const isWritten = (name) => !PASSING.has(name);

/** The items that were added together, and their sums. */
export class Group {
  /** Whether this tab works on it. */
  isHeld = false;
  /** Aborts when this tab lets go of it. */
  stop = new AbortController();
  /** When its files are copied, as far as the browser has room. */
  filled = Promise.resolve();

  constructor(facts) {
    Object.assign(this, facts);
    this.#recount();
  }

  /** Be as another tab has written it, but for items of which this tab has heard later. */
  take({ items, ...facts }) {
    const known = new Map(this.items.map((item) => [item.id, item]));
    Object.assign(this, facts);
    this.items = items.map((item) => {
      const own = known.get(item.id);
      if (!own) return item;
      const isLater = own.importId === item.importId && (own.seen ?? 0) > (item.seen ?? 0);
      return isLater ? own : Object.assign(own, item);
    });
    this.#recount();
  }

  #recount() {
    this.sums = { active: 0, done: 0, failed: 0, cancelled: 0 };
    for (const item of this.items) this.sums[sumOf(item.state)] += 1;
  }

  count(before, after) {
    this.sums[sumOf(before)] -= 1;
    this.sums[sumOf(after)] += 1;
  }

  /** Add an item that the service has found in a list; answers come in any order. */
  push(item) {
    let place = this.items.length;
    while (place > 0 && this.items[place - 1].line > item.line) place -= 1;
    this.items.splice(place, 0, item);
    this.sums[sumOf(item.state)] += 1;
  }

  get record() {
    const { sums, items, isHeld, stop, filled, ...facts } = this;
    const written = (item) => Object.fromEntries(Object.entries(item).filter(([name]) => isWritten(name)));
    return { ...facts, items: items.map(written) };
  }
}

/** The sum that an item in this state counts for. */
export function sumOf(state) {
  if (state === "done" || state === "cancelled") return state;
  return FAILED.has(state) ? "failed" : "active";
}
