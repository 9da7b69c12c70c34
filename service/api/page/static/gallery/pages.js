// Reads a list of imports page by page, as far as it is looked at, and keeps few of the pages: the others are read again
// when somebody scrolls back, each from its own cursor.

import { Failure, nextPage, request } from "../api/client.js";
import { entryOf, mentions } from "./entry.js";

const LIMIT = 100;
const KEPT = 8;
/** Pages without anything that fits, after which a person is asked whether to go on. */
const MOST_LOOKS = 20;
const LIST = "/api/v1/imports";

/** Event: `changed`, whenever there is something else to show. */
export class Pages extends EventTarget {
  /** Entries that were found so far. */
  count = 0;
  /** Imports that were looked at so far. */
  looked = 0;
  isWhole = false;
  isReading = false;
  isPaused = false;
  /** @type {Failure|null} */
  fault = null;
  #pages = [];
  #next;
  #words;
  #span = [0, 0];
  #stop = new AbortController();
  #told = false;

  /**
   * @param {Array<[string, string]>} query the parameters of the list.
   * @param {Array<string>} words that an import mentions; the service does not know this filter.
   */
  constructor(query, words) {
    super();
    this.#words = words;
    this.#next = `${LIST}?${new URLSearchParams([...query, ["limit", String(LIMIT)]])}`;
  }

  /** Stop reading. */
  close() {
    this.#stop.abort();
  }

  /** The entry at an index; null if it is not in memory: `want` reads it. */
  at(index) {
    const page = this.#pages[this.#pageOf(index)];
    return page?.entries?.[index - page.start] ?? null;
  }

  /** The index of an entry in memory, or -1. */
  indexOf(id) {
    for (const { start, entries } of this.#pages) {
      const found = entries?.findIndex((entry) => entry.id === id) ?? -1;
      if (found >= 0) return start + found;
    }
    return -1;
  }

  /** Have the entries of a span in memory, let go of those far from it, and read on where the list ends. */
  want(first, last) {
    this.#span = [first, last];
    const from = this.#pageOf(first);
    const to = this.#pageOf(last);
    this.#pages.forEach((page, index) => {
      if (!this.fault && index >= from && index <= to) this.#restore(page).catch((failure) => this.#failed(failure));
    });
    const middle = (from + to) / 2;
    const far = this.#pages.map((page, index) => [page, Math.abs(index - middle)]).filter(([page]) => page.entries);
    // The first page stays: its cursor is none, so that newer imports would come with it.
    far.sort((a, b) => a[1] - b[1]).slice(KEPT).forEach(([page]) => {
      if (page !== this.#pages[0]) page.entries = null;
    });
    if (last >= this.count && !this.fault && !this.isPaused) this.#readOn();
  }

  /** Go on after a fault or a pause. */
  goOn() {
    this.fault = null;
    this.isPaused = false;
    this.want(...this.#span);
  }

  /** All entries from one index to another, both included, also those that are not in memory; on a fault, the first ones. */
  async between(first, last) {
    const found = [];
    try {
      for (const page of this.#pages) {
        if (page.start > last || page.start + page.count <= first) continue;
        await this.#restore(page);
        found.push(...page.entries.slice(Math.max(0, first - page.start), last - page.start + 1));
      }
    } catch (failure) {
      this.#failed(failure);
    }
    return found;
  }

  /** Show an import as it is now. */
  take(document) {
    const index = this.indexOf(document.id);
    if (index < 0) return;
    const page = this.#pages[this.#pageOf(index)];
    page.entries[index - page.start] = entryOf(document);
    this.#tell();
  }

  /** Show an import no longer. */
  remove(id) {
    const index = this.indexOf(id);
    if (index < 0) return;
    const page = this.#pages[this.#pageOf(index)];
    page.entries.splice(index - page.start, 1);
    this.#recount(page, page.count - 1);
    this.#tell();
  }

  /** The page that has an index: the last one that begins at it or before it. */
  #pageOf(index) {
    let low = 0;
    let high = this.#pages.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#pages[middle].start <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #readOn() {
    if (this.isReading || this.isWhole) return;
    this.isReading = true;
    this.#tell();
    let looks = 0;
    try {
      while (!this.isWhole && !this.isPaused && this.#span[1] >= this.count) {
        const { documents, fitting, next } = await this.#ask(this.#next);
        this.looked += documents.length;
        if (fitting.length) {
          const last = documents.at(-1);
          const page = { path: this.#next, start: this.count, count: fitting.length, entries: fitting.map(entryOf),
            end: { at: Date.parse(last.created_at), id: last.id }, reading: null };
          this.#pages.push(page);
          this.count += page.count;
        }
        looks = fitting.length ? 0 : looks + 1;
        this.#next = next;
        this.isWhole = next === null;
        this.isPaused = looks >= MOST_LOOKS && !this.isWhole;
        this.#tell();
      }
    } catch (failure) {
      this.#failed(failure);
    } finally {
      this.isReading = false;
      this.#tell();
    }
  }

  #restore(page) {
    if (page.entries) return Promise.resolve();
    page.reading ??= this.#readAgain(page).then((entries) => {
      page.entries = entries;
      if (entries.length !== page.count) this.#recount(page, entries.length);
      this.#tell();
    }).finally(() => {
      page.reading = null;
    });
    return page.reading;
  }

  /** Read a page anew. Where imports were deleted, the answer reaches into the following page, which has them. */
  async #readAgain(page) {
    const { fitting } = await this.#ask(page.path);
    return fitting.map(entryOf).filter(({ at, id }) => at > page.end.at || (at === page.end.at && id >= page.end.id));
  }

  async #ask(path) {
    const response = await request(path, { signal: this.#stop.signal });
    const documents = (await response.json()).imports;
    const fitting = documents.filter((document) => mentions(document, this.#words));
    return { documents, fitting, next: nextPage(response, LIST) };
  }

  #recount(changed, count) {
    changed.count = count;
    let start = 0;
    for (const page of this.#pages) {
      page.start = start;
      start += page.count;
    }
    this.count = start;
  }

  #failed(failure) {
    if (this.#stop.signal.aborted) return;
    this.fault = failure instanceof Failure ? failure : new Failure({});
    this.#tell();
  }

  /** Tell of all changes of this moment once. */
  #tell() {
    if (this.#told) return;
    this.#told = true;
    queueMicrotask(() => {
      this.#told = false;
      if (!this.#stop.signal.aborted) this.dispatchEvent(new Event("changed"));
    });
  }
}
