// What was added in this browser: groups of items, each of which is, or becomes, an import. They outlive a reload.
//
// An item: {id, importId, label, url, size, album, state, error: {code, detail}|null, imageId, line, isFile}. Its state is
// that of its import, or before there is one: "unsent" (a link), "unloaded" or "uploading" (a file), "refused".

import { all, put, randomId, remove } from "../base/records.js";

/** Milliseconds between two writes of a group, and more for each item of a long one. */
const SAVE_AFTER = 400;
const SAVE_ITEM = 0.05;
const UNKNOWN = 5000;

/** States that do not change by themselves. */
export const FINAL = new Set(["done", "failed", "cancelled", "refused"]);
/** States of failures. */
export const FAILED = new Set(["failed", "refused"]);

/** Events: `added`, `removed` and `changed` of a group; `item`, with the group and the item; `sums`, at most a few a second. */
class Groups extends EventTarget {
  all = [];
  owner = null;
  #byImport = new Map();
  #unknown = new Map();
  #dirty = new Map();
  #sums = 0;

  /** Show the groups of a person, as an earlier page of this browser left them. */
  async load(owner) {
    await this.flush();
    this.owner = owner;
    this.#byImport.clear();
    this.#unknown.clear();
    const found = owner === null ? [] : (await all("groups")).filter((group) => group.owner === owner);
    if (this.owner !== owner) return;
    this.all = found.sort((a, b) => b.at - a.at).map((group) => new Group(group));
    for (const group of this.all) for (const item of group.items) this.#know(group, item);
    this.#tell("loaded", {});
  }

  /** Add a group, first on the list. It is on disk when this returns, where the browser has room. */
  async add(facts) {
    const group = new Group({ id: randomId(), owner: this.owner, at: Date.now(), batchId: null, fault: null, ...facts });
    this.all.unshift(group);
    await put("groups", group.record);
    this.#tell("added", { group });
    return group;
  }

  /** Forget a group. Its imports stay. */
  async drop(group) {
    this.all = this.all.filter((one) => one !== group);
    clearTimeout(this.#dirty.get(group)?.timer);
    this.#dirty.delete(group);
    for (const item of group.items) {
      if (item.importId) this.#byImport.delete(item.importId);
      if (item.isFile) await remove("files", item.id);
    }
    await remove("groups", group.id);
    this.#tell("removed", { group });
  }

  /** Change an item, and tell. */
  change(group, item, changes) {
    const before = item.state;
    Object.assign(item, changes);
    group.count(before, item.state);
    if (changes.importId) this.#know(group, item);
    this.#save(group);
    this.#tell("item", { group, item });
  }

  /** Change a group, and tell. */
  set(group, changes) {
    Object.assign(group, changes);
    this.#save(group);
    this.#tell("changed", { group });
  }

  /** Take in the document of an import, from an event or an answer. One that nobody added here is kept for a while. */
  take(document) {
    const found = this.#byImport.get(document.id);
    if (!found) {
      this.#unknown.set(document.id, document);
      if (this.#unknown.size > UNKNOWN) this.#unknown.delete(this.#unknown.keys().next().value);
      return;
    }
    const { group, item } = found;
    if (item.seen && Date.parse(document.updated_at) < item.seen) return;
    const isLoading = document.status === "waiting" && (item.state === "unloaded" || item.state === "uploading");
    this.change(group, item, {
      seen: Date.parse(document.updated_at),
      heard: Date.now(),
      state: isLoading ? item.state : document.status,
      album: document.album_id,
      error: document.error,
      imageId: document.image_id,
      size: document.image?.byte_size ?? item.size,
      sides: document.image ? [document.image.width, document.image.height] : null,
      received: FINAL.has(document.status) ? null : item.received,
    });
  }

  /** Every item with its group. */
  *items() {
    for (const group of this.all) for (const item of group.items) yield { group, item };
  }

  /** The sums of all groups. */
  get sums() {
    const sums = { active: 0, done: 0, failed: 0, cancelled: 0 };
    for (const group of this.all) for (const name of Object.keys(sums)) sums[name] += group.sums[name];
    return sums;
  }

  /** Write what has changed. */
  async flush() {
    const groups = [...this.#dirty].filter(([, entry]) => entry.isMore).map(([group]) => group);
    for (const entry of this.#dirty.values()) clearTimeout(entry.timer);
    this.#dirty.clear();
    await Promise.all(groups.map((group) => put("groups", group.record)));
  }

  #know(group, item) {
    if (!item.importId) return;
    this.#byImport.set(item.importId, { group, item });
    const document = this.#unknown.get(item.importId);
    this.#unknown.delete(item.importId);
    if (document) this.take(document);
  }

  /** Write a group at once, and what changes in the next moment at its end. */
  #save(group) {
    if (!this.all.includes(group)) return; // it was dropped
    if (this.#dirty.has(group)) {
      this.#dirty.get(group).isMore = true;
      return;
    }
    const entry = { isMore: false };
    entry.timer = setTimeout(() => {
      this.#dirty.delete(group);
      if (entry.isMore) this.#save(group);
    }, SAVE_AFTER + SAVE_ITEM * group.items.length);
    this.#dirty.set(group, entry);
    queueMicrotask(() => this.all.includes(group) && put("groups", group.record));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
    if (this.#sums) return;
    this.#sums = setTimeout(() => {
      this.#sums = 0;
      this.dispatchEvent(new Event("sums"));
    }, 150);
  }
}

/** The items that were added together, and their sums. */
class Group {
  constructor(facts) {
    Object.assign(this, facts);
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
    const { sums, items, ...facts } = this;
    return { ...facts, items: items.map(({ received, total, rate, heard, measured, ...item }) => item) };
  }
}

/** The sum that an item in this state counts for. */
export function sumOf(state) {
  if (state === "done" || state === "cancelled") return state;
  return FAILED.has(state) ? "failed" : "active";
}

export const groups = new Groups();
addEventListener("pagehide", () => groups.flush());
