// What to do about an error: the service says it with the trace of an import, once for each code.

import { call } from "../api/client.js";
import { T } from "../texts.js";

const known = new Map();

/**
 * The remedy for an item's error.
 *
 * @returns {Promise<string>} empty if there is none.
 */
export function remedyOf(item) {
  const { code } = item.error;
  if (T.remedies[code] !== undefined) return Promise.resolve(T.remedies[code]);
  if (!item.importId) return Promise.resolve("");
  if (!known.has(code)) {
    known.set(code, call(`/api/v1/imports/${item.importId}/trace`).then((trace) => {
      const hints = trace.attempts.map((attempt) => attempt.error).filter((error) => error?.code === code && error.hint);
      return (hints.at(-1)?.hint ?? "").replaceAll("`", "");
    }).catch(() => {
      known.delete(code);
      return "";
    }));
  }
  return known.get(code);
}
