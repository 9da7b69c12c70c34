// What a token says of itself. The service alone decides; the page reads it to offer what will be granted.

/**
 * The rights of a token.
 *
 * @typedef {object} Rights
 * @property {string} token
 * @property {string} issuer
 * @property {string|null} subject
 * @property {boolean} admin whether it allows everything in the organisation.
 * @property {Map<string, Set<string>>} albums by album, the granted abilities.
 * @property {Date|null} endsAt
 */

/** Abilities that let a token read lists. */
export const LIST = ["image_list", "see"];

/**
 * Read a token.
 *
 * @returns {Rights|null} null if the text is no token.
 */
export function readToken(text) {
  for (const token of tokensIn(text)) {
    const rights = rightsOf(token);
    if (rights !== null) return rights;
  }
  return null;
}

function rightsOf(token) {
  try {
    const claims = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(token.split(".")[1])));
    if (typeof claims.iss !== "string") return null;
    const subject = claims.sub ?? claims.user;
    return {
      token,
      issuer: claims.iss,
      subject: typeof subject === "string" && subject ? subject : null,
      admin: claims.admin === true,
      albums: albumsOf(claims.abilities),
      endsAt: typeof claims.exp === "number" ? new Date(claims.exp * 1000) : null,
    };
  } catch {
    return null;
  }
}

/** What may be the token in what a person pasted: a token, a whole link, or a line of a shell. Hosts have dots too. */
const tokensIn = (text) => [...text.matchAll(/[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g)].map(([token]) => token);

/** Whether an ability is granted in an album; without an album, in any. */
export function allows(rights, ability, album = null) {
  if (rights.admin) return true;
  if (album === null) return [...rights.albums.values()].some((granted) => granted.has(ability));
  return rights.albums.get(album)?.has(ability) ?? false;
}

/** Whether lists may be read. */
export const mayList = (rights, album = null) => LIST.some((ability) => allows(rights, ability, album));

/** The albums in which an ability is granted by name. */
export function albumsWith(rights, ability) {
  return [...rights.albums].filter(([, granted]) => granted.has(ability)).map(([album]) => album);
}

function albumsOf(abilities) {
  const albums = new Map();
  for (const [album, entry] of Object.entries(abilities ?? {})) {
    const granted = Object.entries(entry?.Access ?? {}).filter(([, value]) => value === true).map(([name]) => name);
    if (granted.length) albums.set(album, new Set(granted));
  }
  return albums;
}

function bytesOf(segment) {
  const text = atob(segment.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
