// Asks before something that cannot be undone.

import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { T } from "../texts.js";

/**
 * Ask a person to confirm.
 *
 * @param {string} title
 * @param {string} text
 * @param {string} action the text of the button that confirms.
 * @returns {Promise<boolean>}
 */
export function ask(title, text, action) {
  return new Promise((resolve) => {
    let answer = false;
    const agree = () => {
      answer = true;
      box.close();
    };
    const stay = h("button", { type: "button", click: () => box.close() }, T.cancel);
    const box = dialog(title, [h("p", {}, text), h("div.row", {},
      h("button.danger", { type: "button", click: agree }, action), stay)], { closed: () => resolve(answer) });
    stay.focus();
  });
}
