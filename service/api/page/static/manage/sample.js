// What an administrator's view of the queue is made of: imports of each state, as many as a bounded reading finds. The
// API has lists, and no sums.

import { nextPage, request } from "../api/client.js";
import { urlsOf } from "../gallery/entry.js";

const LIST = "/api/v1/imports";
const LIMIT = 200;
/** Pages of one state that are read at most. */
const MOST_PAGES = 10;
const OPEN = ["waiting", "queued", "running"];

/**
 * Some imports of the organisation.
 *
 * @typedef {object} Sample
 * @property {Map<string, {count: number, isWhole: boolean, oldest: number|null}>} states waiting, queued and running ones,
 *     of any age; failed ones since the moment that was asked for.
 * @property {Array<{at: number, code: string, host: string}>} failures the latest first.
 */

/**
 * Read.
 *
 * @param {number} since milliseconds: failed imports that were created then or later.
 * @param {AbortSignal} signal
 * @returns {Promise<Sample>}
 */
export async function readSample(since, signal) {
  const states = new Map();
  for (const state of OPEN) {
    const { documents, isWhole } = await readState([["status", state]], signal, (document) => Date.parse(document.created_at));
    states.set(state, { count: documents.length, isWhole, oldest: isWhole ? documents.at(-1) ?? null : null });
  }
  const query = [["status", "failed"], ["created_after", new Date(since).toISOString()]];
  const failed = await readState(query, signal, (document) => ({
    at: Date.parse(document.created_at), code: document.error?.code ?? "", host: hostOf(document),
  }));
  states.set("failed", { count: failed.documents.length, isWhole: failed.isWhole, oldest: null });
  return { states, failures: failed.documents };
}

async function readState(query, signal, kept) {
  const documents = [];
  let path = `${LIST}?${new URLSearchParams([...query, ["limit", String(LIMIT)]])}`;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const response = await request(path, { signal });
    documents.push(...(await response.json()).imports.map(kept));
    path = nextPage(response, LIST);
    if (path === null) return { documents, isWhole: true };
  }
  return { documents, isWhole: false };
}

/** The host of the first URL; of mirrors too, since the document does not say which of them failed. */
function hostOf(document) {
  try {
    return new URL(urlsOf(document)[0]).host;
  } catch {
    return "";
  }
}

/**
 * Count failures by a key over time.
 *
 * @param {Array<{at: number}>} failures
 * @param {(failure: object) => string} key
 * @param {number} since
 * @param {number} until
 * @param {number} bins
 * @param {number} most keys of their own; the others are one, whose key is null.
 * @returns {Array<{key: string|null, total: number, counts: Array<number>}>} the most frequent first, the others last.
 */
export function overTime(failures, key, { since, until, bins, most }) {
  const totals = new Map();
  for (const failure of failures) totals.set(key(failure), (totals.get(key(failure)) ?? 0) + 1);
  const ranked = [...totals].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
  const own = new Set(ranked.length > most + 1 ? ranked.slice(0, most) : ranked);
  const series = new Map([...own].map((name) => [name, { key: name, total: 0, counts: Array(bins).fill(0) }]));
  const others = { key: null, total: 0, counts: Array(bins).fill(0) };
  for (const failure of failures) {
    const one = series.get(key(failure)) ?? others;
    const bin = Math.floor(((failure.at - since) / (until - since)) * bins);
    one.total += 1;
    one.counts[Math.min(Math.max(bin, 0), bins - 1)] += 1;
  }
  return [...series.values(), ...(others.total ? [others] : [])];
}
