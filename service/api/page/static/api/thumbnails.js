// Small pictures of images. An <img> sends no token, so they are fetched, kept for a while, and let go.

import { Failure, request } from "./client.js";

const KEPT = 400;
const KEPT_BYTES = 24 * 1024 * 1024;
const AT_ONCE = 2;
const WAITING = 600;
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
 * @returns {Promise<string|null>} null if there is none.
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

/** Show a thumbnail in an <img>, as long as the <img> is in view; without a picture, it stays as it is. */
export function showThumbnail(image, imageId, size) {
  image.dataset.image = imageId;
  image.dataset.size = size ?? "small";
  watcher.observe(image);
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    watcher.unobserve(target);
    thumbnail(target.dataset.image, target.dataset.size).then((url) => {
      if (url) target.src = url;
      else target.dispatchEvent(new Event("missing"));
    });
  }
}, { rootMargin: "200px" });

/** Forget all of them: the person has signed out. */
export function dropThumbnails() {
  for (const entry of [...waiting.values()]) drop(entry);
  for (const key of [...kept.keys()]) forget(key);
}

function wish(key, imageId, size) {
  const entry = { key, imageId, size, wishes: 0, isAsked: false, stop: new AbortController() };
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
    if (failure instanceof Failure && !failure.isPassing && failure.status !== 401) keep(entry, null, 0);
    else end(entry, null);
  } finally {
    running -= 1;
    next();
  }
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
