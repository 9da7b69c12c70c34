// A dialog over the page: the browser keeps the focus within it, closes it with Escape, and gives the focus back.

import { session } from "../api/session.js";
import { fill, h, newId } from "./dom.js";
import { closeRegion, openRegion } from "./live.js";
import { T } from "../texts.js";

/**
 * Open a dialog.
 *
 * @param {string} title
 * @param {Array<Node>} content
 * @param {{wide?: boolean, stays?: boolean, closed?: () => void}} [options] `stays`: it cannot be dismissed.
 * @returns {HTMLDialogElement} close it with `close()`.
 */
export function dialog(title, content, { wide = false, stays = false, closed = () => {} } = {}) {
  const id = newId("title");
  const close = h("button.plain.close", { type: "button", "aria-label": T.close, click: () => box.close() }, "×");
  const box = h("dialog", { class: wide ? "wide" : null, "aria-labelledby": id });
  const region = openRegion();
  fill(box, h("header", {}, h("h2", { id }, title), stays ? null : close), h("div.content", {}, content), region);
  if (stays) box.addEventListener("cancel", (event) => event.preventDefault());
  box.addEventListener("click", (event) => {
    if (event.target === box && !stays) box.close();
  });
  const leave = () => box.close();
  session.addEventListener("left", leave); // what it shows was for who has left
  box.addEventListener("close", () => {
    session.removeEventListener("left", leave);
    closeRegion(region);
    box.remove();
    closed();
  });
  document.body.append(box);
  box.showModal();
  return box;
}
