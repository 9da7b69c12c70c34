// Puts text where a person can paste it from.

import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { announce } from "./live.js";
import { T } from "../texts.js";

/** Copy a text. A browser forbids that on pages without HTTPS: then the text is shown, and selected. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    announce(T.copied);
    return true;
  } catch {
    const field = h("textarea.mono", { rows: 4, readonly: true, "aria-label": T.copyThis });
    field.value = text;
    dialog(T.copyThis, [field]);
    field.select();
    return false;
  }
}

/** A button that copies a text, and says so. */
export function copyButton(text, label, told = T.copy) {
  const button = h("button.small", { type: "button", "aria-label": label, click: async () => {
    if (await copy(text)) button.textContent = T.copied;
  } }, told);
  return button;
}
