// Saves bytes as a file of the person.

import { h } from "./dom.js";

const KEPT = 60_000;

/** Let the browser save bytes under a name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), KEPT); // the browser may not have begun to read
}
