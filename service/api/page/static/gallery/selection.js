// Which imports are selected: by id, with what is known of each.

/** As many may be selected at once. */
export const MOST = 1000;

/** Event: `changed`. */
export class Selection extends EventTarget {
  #chosen = new Map();

  get size() {
    return this.#chosen.size;
  }

  get entries() {
    return [...this.#chosen.values()];
  }

  has(id) {
    return this.#chosen.has(id);
  }

  /** Select an entry, or no longer. */
  toggle(entry) {
    if (!this.#chosen.delete(entry.id) && this.size < MOST) this.#chosen.set(entry.id, entry);
    this.#tell();
  }

  /** Select entries besides those that are. */
  add(entries) {
    for (const entry of entries) if (this.size < MOST || this.has(entry.id)) this.#chosen.set(entry.id, entry);
    this.#tell();
  }

  /** Know a selected entry as it is now; null if it is gone. */
  take(id, entry) {
    if (!this.has(id)) return;
    if (entry === null) this.#chosen.delete(id);
    else this.#chosen.set(id, entry);
    this.#tell();
  }

  clear() {
    if (this.size === 0) return;
    this.#chosen.clear();
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("changed"));
  }
}
