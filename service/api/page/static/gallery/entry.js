// What the gallery keeps of an import: less than its document, since there may be a hundred thousand of them.

import { T } from "../texts.js";

const FINAL = new Set(["done", "failed", "cancelled"]);
const LONGEST = 200;

/**
 * An import, as the gallery shows it.
 *
 * @typedef {object} Entry
 * @property {string} id
 * @property {number} at when it was created.
 * @property {string} state
 * @property {string|null} album
 * @property {string} title
 * @property {string|null} imageId
 * @property {[number, number]|null} sides
 * @property {number|null} size
 * @property {string} reason of its error, in words.
 * @property {boolean} isGone whether its image was deleted.
 */

/** @returns {Entry} */
export function entryOf(document) {
  const { image, error } = document;
  return {
    id: document.id,
    at: Date.parse(document.created_at),
    state: document.status,
    album: document.album_id,
    title: titleOf(document).slice(0, LONGEST),
    imageId: document.image_id,
    sides: image ? [image.width, image.height] : null,
    size: image ? image.byte_size : null,
    reason: (error?.detail ?? "").slice(0, LONGEST),
    isGone: Boolean(image?.deleted_at),
  };
}

/** Whether there is an image to look at. */
export const hasImage = (entry) => entry.state === "done" && entry.imageId !== null && !entry.isGone;

/** Whether the import does not change by itself any more. */
export const isFinal = (entry) => FINAL.has(entry.state);

/** The URLs that an import was to come from. */
export function urlsOf(document) {
  const { url } = document.params;
  return (Array.isArray(url) ? url : [url]).filter((one) => typeof one === "string");
}

/** What an import is called: the name that it was given, or the end of its URL. */
export function titleOf(document) {
  const { filename } = document.params;
  if (typeof filename === "string" && filename) return filename;
  const [url] = urlsOf(document);
  if (url === undefined) return T.find.unnamed;
  if (url.startsWith("data:")) return T.watch.dataUrl(url.length);
  const path = url.split(/[?#]/)[0].replace(/\/+$/, "");
  return decoded(path.slice(path.lastIndexOf("/") + 1)) || url;
}

/** Whether all words are somewhere in what is known of an import: its names, URLs, tags, metadata or error. An id or a digest must be whole. */
export function mentions(document, words) {
  if (words.length === 0) return true;
  const { params, error } = document;
  const text = [document.album_id, titleOf(document), params.filename, params.url, params.tags,
    params.metadata ?? params.metadatas, error?.code, error?.detail, document.image?.format];
  const found = JSON.stringify(text).toLocaleLowerCase();
  const ids = [document.id, document.image_id, document.image?.sha256]; // parts of them would be in nearly every import
  return words.every((word) => found.includes(word) || ids.includes(word));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
