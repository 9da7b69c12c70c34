// What can be done with imports: one after the other, or a few at a time.

import { call, Failure, request } from "../api/client.js";
import { session } from "../api/session.js";
import { allows } from "../api/token.js";
import { save } from "../base/saving.js";
import { T } from "../texts.js";
import { hasImage, isFinal } from "./entry.js";

const AT_ONCE = 4;
const may = (ability) => (entry) => allows(session.rights, ability, entry.album);
const mayAdd = may("image_upload");

/**
 * The actions, by name: for which entries each is, and what it does. `run` returns the import's new document, null if
 * the import is gone, and undefined if nothing has changed.
 */
export const ACTIONS = {
  retry: {
    fits: (entry) => (entry.state === "failed" || entry.state === "cancelled") && mayAdd(entry),
    run: (entry) => call(`/api/v1/imports/${entry.id}/retry`, { method: "POST" }),
  },
  cancel: {
    fits: (entry) => !isFinal(entry) && mayAdd(entry),
    run: (entry) => call(`/api/v1/imports/${entry.id}/cancel`, { method: "POST" }),
  },
  download: { fits: (entry) => hasImage(entry) && may("image_download")(entry), run: download, isAlone: true },
  delete: {
    fits: may("image_delete"),
    run: async (entry) => {
      try {
        await request(`/api/v1/imports/${entry.id}`, { method: "DELETE" });
      } catch (failure) {
        if (failure.status !== 404) throw failure;
      }
      return null;
    },
  },
};

/** The link that shows an import in this page, for whoever may see it. */
export const linkOf = (entry) => `${location.origin}/#find/${entry.id}`;

/**
 * Do something with all entries that it is for.
 *
 * @param {(entry: Entry, document: object|null|undefined) => void} done hears of each success.
 * @returns {Promise<{count: number, failures: Array<Failure>}>}
 */
export async function actOn(name, entries, done) {
  const { fits, run, isAlone } = ACTIONS[name];
  const rest = entries.filter(fits);
  const failures = [];
  let count = 0;
  await Promise.all(Array.from({ length: isAlone ? 1 : AT_ONCE }, async () => {
    while (rest.length) {
      const entry = rest.shift();
      try {
        done(entry, await run(entry));
        count += 1;
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        failures.push(failure);
        // Whatever the service cannot do now, it cannot do for the others either.
        if (failure.status === 401 || failure.isPassing) rest.length = 0;
      }
    }
  }));
  return { count, failures };
}

async function download(entry) {
  const response = await bytesOf(entry);
  save(await response.blob(), nameOf(response) ?? entry.title);
}

async function bytesOf(entry) {
  try {
    return await request(`/api/v1/images/${entry.imageId}/content`, { redirect: "manual" });
  } catch (failure) {
    // A redirect to the storage: the page asks no other host.
    if (failure.code === "http_0") throw new Failure({ status: 302, code: "elsewhere", detail: T.find.elsewhere });
    throw failure;
  }
}

/** The name in Content-Disposition (RFC 6266). */
function nameOf(response) {
  const text = response.headers.get("Content-Disposition") ?? "";
  const encoded = /filename\*=UTF-8''([^;]*)/i.exec(text)?.[1];
  try {
    return encoded ? decodeURIComponent(encoded) : /filename="([^"]*)"/.exec(text)?.[1] ?? null;
  } catch {
    return null;
  }
}
