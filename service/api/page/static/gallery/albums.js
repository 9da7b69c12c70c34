// The strip of albums: those that have imports, each with their number and its newest picture, and the other ones that
// the token may list by name.

import { call, nextPage, request } from "../api/client.js";
import { session } from "../api/session.js";
import { thumbnail } from "../api/thumbnails.js";
import { LIST } from "../api/token.js";
import { fill, h, say } from "../base/dom.js";
import { T } from "../texts.js";

const PATH = "/api/v1/albums";
/** Albums that are shown at once, and by each click on the button after them. A page of the list may be short. */
const AT_ONCE = 40;

/**
 * The strip.
 *
 * @param {(album: string) => void} chosen
 * @param {(albums: Iterable<string>) => void} known gets the albums that are shown, whenever there are more.
 * @param {AbortSignal} signal
 */
export function albumStrip(chosen, known, signal) {
  const more = h("li", {}, h("button.small", { type: "button", click: () => read(next) }, T.find.moreAlbums));
  const list = h("ul.albums", { "aria-label": T.find.albums }, more);
  const shown = new Map();
  let current = "";
  let next = null;
  more.hidden = true;
  add("");
  ownAlbums().slice(0, AT_ONCE).forEach(add);
  return {
    list,
    /** Read the first albums anew. */
    read: () => read(`${PATH}?limit=${AT_ONCE}`),
    choose: (album) => {
      current = album;
      mark();
    },
  };

  function add(album) {
    if (shown.has(album)) return;
    const cover = h("span.cover", { "aria-hidden": "true" });
    const number = h("span.hint");
    const button = h("button.album", { type: "button", "aria-pressed": "false", click: () => chosen(album) }, cover,
      h("span.name", {}, album || T.find.allAlbums), number);
    shown.set(album, { button, number });
    more.before(h("li", {}, button));
    showCover(album, cover, signal);
    mark();
  }

  function mark() {
    for (const [album, { button }] of shown) button.setAttribute("aria-pressed", String(album === current));
  }

  async function read(path) {
    try {
      next = path;
      for (let left = AT_ONCE; next !== null && left > 0;) {
        const response = await request(next, { signal });
        const { albums } = await response.json();
        for (const { album_id: album, import_count: count, is_exact: isExact } of albums) {
          add(album);
          say(shown.get(album).number, T.find.imports(count, isExact));
        }
        next = nextPage(response, PATH);
        left -= Math.max(albums.length, 1);
      }
      more.hidden = next === null;
    } catch {
      // The albums are a help: whatever is at fault is told of the list of imports.
    }
    if (!signal.aborted) known([...shown.keys()].filter(Boolean));
  }
}

/** The albums that the token may list by name. */
function ownAlbums() {
  return [...session.rights.albums].filter(([, granted]) => LIST.some((one) => granted.has(one))).map(([album]) => album);
}

async function showCover(album, cover, signal) {
  const query = new URLSearchParams([["limit", "1"], ["status", "done"], ...(album ? [["album_id", album]] : [])]);
  try {
    const { imports } = await call(`/api/v1/imports?${query}`, { signal });
    if (!imports[0]?.image_id || imports[0].image?.deleted_at) return;
    const url = await thumbnail(imports[0].image_id, "small", signal);
    if (url) fill(cover, h("img", { alt: "", src: url }));
  } catch {
    // an album without a cover
  }
}
