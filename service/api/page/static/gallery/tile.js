// One import in the gallery: its picture, its name, its state.

import { thumbnail } from "../api/thumbnails.js";
import { h, newId, say } from "../base/dom.js";
import { size } from "../base/format.js";
import { T } from "../texts.js";
import { hasImage } from "./entry.js";

/** The tile of an entry; `show` it as it is now, `load` its picture, and `close` it. */
export class Tile {
  entry = null;
  #stop = null;
  #picture = null;
  #image = h("img", { alt: "" });
  #mark = h("span.mark");
  #reason = h("span.reason", { "aria-hidden": "true" });
  #told = h("span.hidden");
  #title = h("span.title");
  #state = h("span");
  #facts = h("span");

  constructor() {
    this.element = h("div.tile", { role: "option", id: newId("tile") }, h("span.frame", {}, this.#mark, this.#reason),
      h("span.check"), this.#title, h("span.state", {}, this.#state, this.#facts, this.#told));
  }

  /** Show an entry, which may be another one than before; null is one that is being read. */
  show(entry, { index, total, isSelected, isActive }) {
    const { element } = this;
    if (!entry || !hasImage(entry) || entry.id !== this.entry?.id) this.#forget();
    this.entry = entry;
    element.dataset.state = entry?.state ?? "unread";
    element.dataset.id = entry?.id ?? "";
    element.setAttribute("aria-selected", String(isSelected));
    element.setAttribute("aria-posinset", String(index + 1));
    element.setAttribute("aria-setsize", String(total));
    element.classList.toggle("active", isActive);
    const facts = entry ? factsOf(entry) : "";
    say(this.#title, entry?.title ?? "");
    // Where there is a picture with its facts, the state needs no words but for those who do not see them.
    this.#state.className = facts ? "hidden" : "";
    say(this.#state, entry ? stateOf(entry) : T.find.reading);
    say(this.#facts, facts);
    // The reason takes the place of the picture; a screen reader hears it after the name and the state.
    const reason = entry && entry.state !== "done" ? entry.reason : "";
    say(this.#reason, reason);
    say(this.#told, reason);
  }

  /** Ask for the picture, if there is one, and it was not asked for. */
  load() {
    if (this.#picture || !this.entry || !hasImage(this.entry)) return;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#picture = thumbnail(this.entry.imageId, "small", signal).then((url) => {
      if (url === null || signal.aborted) return;
      this.#image.src = url;
      this.#mark.replaceWith(this.#image);
    });
  }

  close() {
    this.#forget();
    this.element.remove();
  }

  #forget() {
    this.#stop?.abort();
    this.#stop = this.#picture = null;
    this.#image.removeAttribute("src");
    this.#image.replaceWith(this.#mark);
  }
}

function stateOf(entry) {
  if (entry.isGone) return T.find.gone;
  return T.states[entry.state] ?? entry.state;
}

/** What is known of the image. */
function factsOf(entry) {
  if (!hasImage(entry) || !entry.sides) return "";
  return [T.watch.sides(...entry.sides), size(entry.size)].join(" · ");
}
