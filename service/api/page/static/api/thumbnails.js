// Small pictures of images. An <img> sends no token, so they are fetched, kept for a while, and let go.

import { Failure, pause, request, sleep } from "./client.js";
import { session } from "./session.js";

const KEPT = 400;
const KEPT_BYTES = 24 * 1024 * 1024;
const AT_ONCE = 2;
const WAITING = 600;
/** Requests for a picture in view, about a minute and a half of them, while the service cannot answer. */
const TRIES = 10;
/** By image and size: the URL of a blob and its bytes, or null if there is no picture; the longest unused first. */
const kept = new Map();
const waiting = new Map();
let keptBytes = 0;
let running = 0;

/**
 * The URL of a thumbnail, for an <img> that shows it now.
 *
 * @param {string} imageId
 * @param {"small"|"medium"|"large"} [size]
 * @param {AbortSignal|null} [signal] aborts when the picture is not wanted any more. The request of a picture that
 *     nobody wants ends.
 * @returns {Promise<string|null>} null if there is none, or none for now: a later wish asks again.
 */
export function thumbnail(imageId, size = "small", signal = null) {
  const key = `${imageId}/${size}`;
  if (kept.has(key)) {
    const found = kept.get(key);
    kept.delete(key);
    kept.set(key, found);
    return Promise.resolve(found.url);
  }
  if (signal?.aborted) return Promise.resolve(null);
  const entry = waiting.get(key) ?? wish(key, imageId, size);
  entry.wishes += 1;
  signal?.addEventListener("abort", () => {
    entry.wishes -= 1;
    if (entry.wishes === 0) drop(entry);
  }, { once: true });
  next();
  return entry.promise;
}

/** Show a thumbnail in an <img> when it is in view. Without a picture, it is asked for when it comes into view again. */
export function showThumbnail(image, imageId, size = "small") {
  wanted.set(image, { imageId, size, stop: null });
  watcher.observe(image);
}

const wanted = new WeakMap();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const wish = wanted.get(target);
    wish.stop?.abort();
    if (!isIntersecting) continue;
    wish.stop = new AbortController();
    thumbnail(wish.imageId, wish.size, wish.stop.signal).then((url) => {
      if (!url) return;
      target.src = url;
      watcher.unobserve(target);
    });
  }
}, { rootMargin: "200px" });

/** Forget all of them: the person has signed out. */
export function dropThumbnails() {
  for (const entry of [...waiting.values()]) drop(entry);
  for (const key of [...kept.keys()]) forget(key);
}

function wish(key, imageId, size) {
  const entry = { key, imageId, size, wishes: 0, tries: 0, isAsked: false, stop: new AbortController() };
  entry.promise = new Promise((resolve) => { entry.resolve = resolve; });
  waiting.set(key, entry);
  if (waiting.size > WAITING) drop(waiting.values().next().value);
  return entry;
}

function drop(entry) {
  entry.stop.abort();
  end(entry, null);
}

function end(entry, url) {
  if (waiting.get(entry.key) === entry) waiting.delete(entry.key);
  entry.resolve(url);
}

async function next() {
  if (running >= AT_ONCE) return;
  // The latest wish is in view most likely.
  const entry = [...waiting.values()].filter((one) => !one.isAsked).pop();
  if (!entry) return;
  entry.isAsked = true;
  running += 1;
  try {
    const response = await request(`/api/v1/images/${entry.imageId}/thumbnail?size=${entry.size}`, {
      headers: { Accept: "image/webp,image/jpeg" }, cache: "default", signal: entry.stop.signal,
    });
    const blob = await response.blob();
    if (!entry.stop.signal.aborted) keep(entry, URL.createObjectURL(blob), blob.size);
  } catch (failure) {
    if (!(failure instanceof Failure) || entry.stop.signal.aborted) end(entry, null);
    else if (failure.isPassing || failure.status === 401) askAgain(entry, failure);
    else keep(entry, null, 0);
  } finally {
    running -= 1;
    next();
  }
}

/** Ask again later, when the page is seen, and with a token that is good. */
async function askAgain(entry, { retryAfter }) {
  entry.tries += 1;
  if (entry.tries >= TRIES) {
    end(entry, null);
    return;
  }
  try {
    await sleep(pause(entry.tries, retryAfter), entry.stop.signal);
  } catch {
    return; // nobody wants it any more
  }
  while (document.hidden) await new Promise((seen) => addEventListener("visibilitychange", seen, { once: true }));
  await session.ready();
  entry.isAsked = entry.stop.signal.aborted;
  next();
}

function keep(entry, url, bytes) {
  end(entry, url);
  if (kept.has(entry.key)) forget(entry.key);
  kept.set(entry.key, { url, bytes });
  keptBytes += bytes;
  while (kept.size > KEPT || (keptBytes > KEPT_BYTES && kept.size > 1)) forget(kept.keys().next().value);
}

function forget(key) {
  const { url, bytes } = kept.get(key);
  kept.delete(key);
  keptBytes -= bytes;
  if (url) URL.revokeObjectURL(url);
}
