// Finds what a person pasted: links in any text, or a list of imports.

const SCHEME = /\bhttps?:\/\/[^\s<>"'`\\]+/gi;
/** Written without a scheme, and surely a picture: images.example.org/a/photo.jpg */
const BARE = /(?<![\w@/.:-])(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?\/[^\s<>"'`\\]*\.(?:jpe?g|png|gif|webp|tiff?|bmp|avif|jp2|ico)\b/gi;
/** Of a scheme that a fetcher may serve; what it leads to has to be a picture by its name: sftp://files.example.org/a.jpg */
const OTHER = /(?<![\w@/.:+-])[a-z][a-z0-9+.-]*:\/\/[^\s<>"'`\\]+/gi;
const PICTURE = /^[^?#]*\.(?:jpe?g|png|gif|webp|tiff?|bmp|avif|jp2|ico)(?:[?#]|$)/i;
const DATA = /\bdata:image\/[a-z0-9.+-]+(?:;[a-z0-9=.-]+)*,[^\s<>"'`\\]+/gi;
const TAIL = /[.,;:!?'"»”’*_~|]+$/;
const PAIRS = { ")": "(", "]": "[", "}": "{" };

/**
 * The links in a text, each once, in their order.
 *
 * @param {string} text
 * @returns {string[]}
 */
export function findLinks(text) {
  const found = [];
  for (const match of text.matchAll(DATA)) found.push([match.index, match[0]]);
  const rest = text.replace(DATA, (match) => " ".repeat(match.length));
  for (const match of rest.matchAll(SCHEME)) found.push([match.index, trimmed(match[0])]);
  const other = rest.replace(SCHEME, (match) => " ".repeat(match.length));
  for (const match of other.matchAll(OTHER)) {
    const link = trimmed(match[0]);
    if (PICTURE.test(link)) found.push([match.index, link]);
  }
  const bare = other.replace(OTHER, (match) => " ".repeat(match.length));
  for (const match of bare.matchAll(BARE)) found.push([match.index, `https://${match[0]}`]);
  found.sort((a, b) => a[0] - b[0]);
  return [...new Set(found.map(([, link]) => link).filter(isLink))];
}

/** The links in copied HTML: what it shows, and what it leads to. */
export function linksOfHtml(html) {
  const found = [...html.matchAll(/\b(?:src|href)\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)].map((match) => match[1] ?? match[2]);
  return [...new Set(found.map((link) => link.replaceAll("&amp;", "&").trim()).filter((link) => /^https?:/i.test(link)))]
    .filter(isLink);
}

/** Without the punctuation of the sentence around it. A bracket stays if it was opened within the link. */
function trimmed(link) {
  for (;;) {
    const shorter = link.replace(TAIL, "");
    const last = shorter.at(-1);
    const opening = PAIRS[last];
    if (opening && count(shorter, opening) < count(shorter, last)) link = shorter.slice(0, -1);
    else if (shorter === link) return link;
    else link = shorter;
  }
}

const count = (text, letter) => text.split(letter).length - 1;

function isLink(link) {
  if (link.startsWith("data:")) return true;
  try {
    return new URL(link).hostname !== "";
  } catch {
    return false;
  }
}

/**
 * The media type of a list of imports, or null if the text is none.
 *
 * @param {string} text
 * @param {string} [name] of the file.
 */
export function listType(text, name = "") {
  if (/\.(?:csv)$/i.test(name)) return "text/csv";
  if (/\.(?:ndjson|jsonl)$/i.test(name)) return "application/x-ndjson";
  const begin = text.trimStart();
  if (begin.startsWith("{")) return text.split("\n").every(isObject) ? "application/x-ndjson" : null;
  if (begin.startsWith("[")) return isArray(begin) ? "application/json" : null;
  return /^\W*album_id;/i.test(begin) ? "text/csv" : null;
}

function isObject(line) {
  if (!line.trim()) return true;
  try {
    const value = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function isArray(text) {
  try {
    const value = JSON.parse(text);
    return Array.isArray(value) && value.some((one) => typeof one === "object" && one !== null);
  } catch {
    return false;
  }
}

/** Whether a file is a list of imports, by its name. */
export const isListFile = (file) => /\.(?:csv|ndjson|jsonl)$/i.test(file.name);
