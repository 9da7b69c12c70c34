// Small pictures of images. An <img> sends no token, so they are fetched, kept for a while, and let go.

import { Failure, request } from "./client.js";

const KEPT = 400;
const AT_ONCE = 2;
const WAITING = 600;
/** By image and size: the URL of a blob, or null if there is no picture; the longest unused first. */
const kept = new Map();
const waiting = new Map();
let running = 0;

/**
 * The URL of a thumbnail, for an <img> that shows it now.
 *
 * @param {string} imageId
 * @param {"small"|"medium"|"large"} [size]
 * @returns {Promise<string|null>} null if there is none.
 */
export function thumbnail(imageId, size = "small") {
  const key = `${imageId}/${size}`;
  if (kept.has(key)) {
    const url = kept.get(key);
    kept.delete(key);
    kept.set(key, url);
    return Promise.resolve(url);
  }
  const found = waiting.get(key);
  if (found) return found.promise;
  const entry = { key, imageId, size };
  entry.promise = new Promise((resolve) => { entry.resolve = resolve; });
  waiting.set(key, entry);
  if (waiting.size > WAITING) give(waiting.values().next().value, null, false);
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
  for (const url of kept.values()) if (url) URL.revokeObjectURL(url);
  kept.clear();
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
      headers: { Accept: "image/webp,image/jpeg" }, cache: "default",
    });
    give(entry, URL.createObjectURL(await response.blob()), true);
  } catch (failure) {
    give(entry, null, failure instanceof Failure && !failure.isPassing && failure.status !== 401);
  } finally {
    running -= 1;
    next();
  }
}

function give(entry, url, isKept) {
  waiting.delete(entry.key);
  entry.resolve(url);
  if (!isKept) return;
  kept.set(entry.key, url);
  if (kept.size <= KEPT) return;
  const [oldest, old] = kept.entries().next().value;
  kept.delete(oldest);
  if (old) URL.revokeObjectURL(old);
}
