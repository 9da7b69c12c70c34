// What was added in this browser: groups of items, each of which is, or becomes, an import. They outlive a reload, and
// all tabs of a person show them. One tab holds a group: it alone works on it and writes it.
//
// An item: {id, importId, label, url, size, album, state, error: {code, detail}|null, imageId, line, isFile}. Its state is
// that of its import, or before there is one: "unsent" (a link), "unloaded" or "uploading" (a file), "refused".

import { all, get, put, randomId, remove } from "../base/records.js";
import { Group, isWritten } from "./items.js";
import { hold, tabs, tell } from "./tabs.js";

/** Milliseconds between two writes of a group, and more for each item of a long one. */
const SAVE_AFTER = 400;
const SAVE_ITEM = 0.05;
const UNKNOWN = 5000;

/** States that do not change by themselves. */
export const FINAL = new Set(["done", "failed", "cancelled", "refused"]);

/**
 * Events: `loaded`; `added`, `held`, `released`, `removed` and `changed` of a group; `item`, with the group and the item;
 * `sums`, at most a few a second.
 */
class Groups extends EventTarget {
  all = [];
  owner = null;
  #byImport = new Map();
  #unknown = new Map();
  #dirty = new Map();
  #sums = 0;
  #opening = null;
  #isReleased = false;

  constructor() {
    super();
    tabs.addEventListener("told", ({ detail }) => {
      if (detail.removed) this.#removed(detail.removed);
      else if (detail.saved && detail.owner === this.owner) this.#saved(detail.saved);
    });
  }

  /**
   * Show the groups of a person, as an earlier page or another tab of this browser has left them.
   *
   * @param {string} owner whose groups may be added from now on.
   * @param {Promise} cleared when nothing of an earlier session is written or removed any more.
   * @returns {Promise<boolean>} false if the person has left meanwhile.
   */
  async open(owner, cleared) {
    const opening = {};
    this.#isReleased = false;
    this.owner = owner;
    this.#opening = opening;
    await cleared;
    const found = await all("groups");
    if (this.#opening !== opening) return false;
    for (const record of found) if (record.owner === owner && !this.#find(record.id)) this.#insert(new Group(record));
    this.#tell("loaded", {});
    return true;
  }

  /**
   * Show no groups any more.
   *
   * @returns {{left: Array<Group>, written: Promise}} what was shown, and when all of it is written.
   */
  close() {
    const left = this.all;
    const written = this.flush().then(() => left.forEach((group) => group.stop.abort()));
    this.owner = this.#opening = null;
    this.#isReleased = false;
    this.all = [];
    this.#byImport.clear();
    this.#unknown.clear();
    this.#tell("loaded", {});
    return { left, written };
  }

  /** Add a group, first on the list. It is on disk when this returns, where the browser has room. */
  async add(facts) {
    const group = new Group({ id: randomId(), owner: this.owner, at: Date.now(), batchId: null, fault: null, ...facts });
    this.all.unshift(group);
    if (await hold(group.id, group.stop.signal)) group.isHeld = true;
    if (!this.all.includes(group)) return group; // the person has left
    await this.#write(group);
    this.#tell("added", { group });
    return group;
  }

  /**
   * Let another tab work on the groups: this one has no token that is good. Groups whose files this tab alone has stay.
   * `resume` waits for the groups again.
   */
  release() {
    this.#isReleased = true;
    for (const group of this.all) this.#release(group);
  }

  /** Work again on the groups that no other tab works on. */
  resume() {
    if (!this.#isReleased) return;
    this.#isReleased = false;
    for (const group of this.all) if (!group.isHeld) this.#await(group);
  }

  /** Forget a group. Its imports stay. */
  async drop(group) {
    this.#leave(group);
    await this.forget([group]);
  }

  /** Remove groups that are not shown any more, and their files, from this browser. */
  async forget(left) {
    for (const group of left) {
      for (const item of group.items) if (item.isFile) await remove("files", item.id);
      await remove("groups", group.id);
      tell({ removed: group.id });
    }
  }

  /** Change an item, and tell. */
  change(group, item, changes) {
    const before = item.state;
    Object.assign(item, changes);
    group.count(before, item.state);
    if (changes.importId) this.#know(group, item);
    if (Object.keys(changes).some(isWritten)) this.#save(group);
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
      attempts: document.attempts,
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
    await Promise.all(groups.map((group) => this.#write(group)));
  }

  /** Write a group now, as it is: something that it needs so far is about to go. */
  async settle(group) {
    if (!group.isHeld || !this.all.includes(group)) return;
    clearTimeout(this.#dirty.get(group)?.timer);
    this.#dirty.delete(group);
    await this.#write(group);
  }

  #find(id) {
    return this.all.find((group) => group.id === id);
  }

  /** Show a group, and hold it as soon as no other tab does. */
  #insert(group) {
    this.all = [...this.all, group].sort((a, b) => b.at - a.at);
    for (const item of group.items) this.#know(group, item);
    if (!this.#isReleased) this.#await(group);
  }

  async #await(group) {
    const { signal } = group.stop;
    if (!(await hold(group.id, signal))) return;
    const record = await get("groups", group.id);
    if (signal.aborted || !this.all.includes(group)) return;
    if (!record) {
      this.#leave(group); // the tab that held it has removed it
      return;
    }
    this.#refresh(group, record);
    group.isHeld = true;
    this.#tell("held", { group });
  }

  async #release(group) {
    await group.filled;
    if (!this.#isReleased || !this.all.includes(group) || (group.isUnkept && group.sums.active > 0)) return;
    if (group.isHeld) {
      this.#tell("released", { group });
      await this.#write(group);
      if (!this.all.includes(group)) return;
    }
    group.isHeld = false;
    group.stop.abort();
    group.stop = new AbortController();
    if (!this.#isReleased) this.#await(group); // there was another token meanwhile
  }

  /** Another tab has written a group. */
  async #saved(id) {
    const record = await get("groups", id);
    if (!record || record.owner !== this.owner) return;
    const group = this.#find(id);
    if (!group) {
      const added = new Group(record);
      this.#insert(added);
      this.#tell("added", { group: added });
    } else if (!group.isHeld) this.#refresh(group, record);
  }

  /** Another tab has removed a group: a person has signed out there, for example. */
  #removed(id) {
    const group = this.#find(id);
    if (!group) return;
    this.#leave(group);
    if (group.isHeld) remove("groups", id); // it may have been written once more meanwhile
  }

  #refresh(group, record) {
    group.take(record);
    for (const item of group.items) {
      this.#know(group, item);
      this.#tell("item", { group, item });
    }
    this.#tell("changed", { group });
  }

  /** Show a group no longer, and let go of it. */
  #leave(group) {
    group.stop.abort();
    this.all = this.all.filter((one) => one !== group);
    clearTimeout(this.#dirty.get(group)?.timer);
    this.#dirty.delete(group);
    for (const item of group.items) if (item.importId) this.#byImport.delete(item.importId);
    this.#tell("removed", { group });
  }

  async #write(group) {
    if (await put("groups", group.record)) tell({ saved: group.id, owner: group.owner });
    else if (!group.isUnkept) this.set(group, { isUnkept: true });
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
    if (!group.isHeld || !this.all.includes(group)) return; // another tab writes it, or it was dropped
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
    queueMicrotask(() => this.all.includes(group) && this.#write(group));
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

export const groups = new Groups();
addEventListener("pagehide", () => groups.flush());
