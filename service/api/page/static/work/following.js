// Follows the imports that are not final: a stream of the albums that the token may list, a stream for the bytes of the
// import at hand, and questions about whatever no stream tells of. A browser opens six connections to a host, so there
// are never more than two streams, and none in a tab that nobody sees.

import { call, Failure } from "../api/client.js";
import { follow } from "../api/events.js";
import { session } from "../api/session.js";
import { mayList } from "../api/token.js";
import { FINAL, groups } from "./groups.js";

const TICK = 700;
const SOON = 60;
const AT_ONCE = 4;
const RECHECKED = 100;
/** Milliseconds of silence after which an import is asked for: one that a stream tells of, one that none tells of, */
const STREAMED = 20_000;
const UNSTREAMED = 1500;
/** and one that may have changed before the stream began. */
const UNSEEN = 1500;
const RATE_OVER = 0.3;

let stream = null;
let bytes = null;
let timer = 0;
let soon = 0;
const asking = new Set();

/** Begin to follow, whenever there is something to follow. */
export function startFollowing() {
  clearInterval(timer);
  timer = setInterval(tick, TICK);
  tick();
}

/** Look once at the failed imports of a group: another client may have tried them again since this browser looked. */
export async function recheckFailed(group) {
  const failed = group.items.filter((item) => item.importId && item.state === "failed").slice(0, RECHECKED);
  for (const item of failed) {
    if (!groups.all.includes(group)) return;
    await look(group, item);
  }
}

/** Stop: the person has signed out. */
export function stopFollowing() {
  clearInterval(timer);
  timer = 0;
  closeStreams();
}

addEventListener("visibilitychange", () => (document.hidden ? closeStreams() : tick()));
groups.addEventListener("item", () => {
  if (timer && !soon && (!stream || bytes?.item.state !== "running")) soon = setTimeout(tick, SOON);
});

function closeStreams() {
  stream?.abort();
  bytes?.stop.abort();
  stream = bytes = null;
}

function tick() {
  clearTimeout(soon);
  soon = 0;
  if (document.hidden || session.rights === null || session.isOver) return;
  if (groups.sums.active === 0) {
    closeStreams();
    return;
  }
  const open = unfinished();
  if (!stream && mayList(session.rights)) openStream();
  openBytes(open);
  ask(open);
}

function unfinished() {
  const found = [];
  for (const { group, item } of groups.items()) {
    if (item.importId && !FINAL.has(item.state) && item.state !== "uploading" && item.state !== "unloaded") {
      found.push({ group, item });
    }
  }
  return found;
}

function openStream() {
  const own = new AbortController();
  stream = own;
  follow("/api/v1/events", {
    signal: own.signal,
    heard: (name, document) => groups.take(document),
  }).catch(() => {}); // without the stream, each import is asked for
}

/** The bytes of one running import after the other; while none runs, of the next one. */
function openBytes(open) {
  if (bytes?.item.state === "running") return;
  const found = open.find(({ item }) => item.state === "running" && item.url) ?? (bytes ? null : open.find(({ item }) => item.url));
  if (!found) return;
  const { group, item } = found;
  const own = { item, stop: new AbortController() };
  bytes?.stop.abort();
  bytes = own;
  follow(`/api/v1/imports/${item.importId}/events`, {
    signal: own.stop.signal,
    heard: (name, told) => {
      if (name === "state") groups.take(told);
      else if (name === "progress" && !FINAL.has(item.state)) groups.change(group, item, progressed(item, told.received, told.total));
      if (FINAL.has(item.state)) own.stop.abort();
    },
  }).catch(() => {}).finally(() => {
    if (bytes === own) bytes = null;
  });
}

/** How far an item is, and how fast: an average that forgets slowly. */
export function progressed(item, received, total, now = performance.now()) {
  const since = item.measured ?? { at: now, received };
  const seconds = (now - since.at) / 1000;
  if (seconds < RATE_OVER) return { received, total, measured: since };
  const rate = Math.max(0, received - since.received) / seconds;
  const smooth = item.rate ? item.rate * 0.7 + rate * 0.3 : rate;
  return { received, total, rate: smooth, measured: { at: now, received } };
}

/** Ask for imports of which nothing was heard for a while. */
function ask(open) {
  const now = Date.now();
  for (const { group, item } of open) {
    if (asking.size >= AT_ONCE) return;
    if (asking.has(item.id) || now - (item.heard ?? 0) < silence(item)) continue;
    asking.add(item.id);
    look(group, item).finally(() => asking.delete(item.id));
  }
}

function silence(item) {
  if (!stream || !mayList(session.rights, item.album)) return UNSTREAMED;
  return item.seen ? STREAMED : UNSEEN;
}

/** Ask for one import. */
export async function look(group, item) {
  item.heard = Date.now();
  try {
    groups.take(await call(`/api/v1/imports/${item.importId}`));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.status === 404) {
      groups.change(group, item, { state: "cancelled", error: { code: failure.code, detail: failure.detail } });
    }
  }
}
