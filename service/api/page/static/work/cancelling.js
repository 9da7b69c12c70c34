// Cancels uploads whose creation may have reached the service, though its answer has not come: the service would wait for
// their bytes. The same creation, with its key, tells the id (`Idempotency-Key`). What is owed outlives a reload.

import { Failure, pause, sleep } from "../api/client.js";
import { session } from "../api/session.js";
import { createUpload, endUpload } from "../api/tus.js";
import { all, get, put, remove } from "../base/records.js";
import { hold, tabs, tell } from "./tabs.js";

/** What the ids of these records begin with, among those of the files. */
const OWED = "cancelled/";
/** Errors after which the same request helps. */
const AGAIN = new Set(["idempotency_in_progress", "content_in_progress", "request_timeout"]);

let stop = new AbortController();

/** Whether a record of the files is such a cancellation, by its id. */
export const isOwed = (id) => id.startsWith(OWED);

/**
 * Cancel the import of an upload that may have been created, as soon as the service answers. The note of it is on disk
 * when this returns.
 *
 * @param {{key: string, metadata: Array<[string, string]>}} record of its file.
 * @param {number} size of the file in bytes.
 * @param {string} owner whose upload it is.
 */
export async function cancelCreated({ key, metadata }, size, owner) {
  const record = { id: OWED + key, key, metadata, size, owner };
  await put("files", record);
  settle(record);
  tell({ owed: record.id, owner });
}

// Another tab cancels it, and this one does if that tab closes or has no token that is good.
tabs.addEventListener("told", async ({ detail: { owed, owner } }) => {
  const record = owed && owner === session.owner && !session.isOver ? await get("files", owed) : null;
  if (record) settle(record);
});

/** Cancel what an earlier page, or another tab, has left to cancel. */
export async function resumeCancelling(owner) {
  for (const record of await all("files")) if (isOwed(record.id) && record.owner === owner) settle(record);
}

/** Stop, and let another tab go on: the person has signed out, or the token is over. */
export function stopCancelling() {
  stop.abort();
  stop = new AbortController();
}

/** Forget what is left to cancel: uploads without bytes end by themselves. */
export async function forgetCancelled(owner) {
  for (const record of await all("files")) if (isOwed(record.id) && record.owner === owner) await remove("files", record.id);
}

/** Cancel one, in one tab. */
async function settle({ id, key, metadata, size }) {
  const work = new AbortController();
  const { signal } = stop;
  signal.addEventListener("abort", () => work.abort(signal.reason), { once: true });
  try {
    if (!(await hold(id, work.signal)) || !(await get("files", id))) return;
    for (let tries = 0; ; tries += 1) {
      await session.ready();
      if (signal.aborted) return;
      try {
        const created = await createUpload(size, metadata, key, signal);
        await endUpload(created.id);
        break;
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        // Any other refusal says that there is no such upload, or that it has ended.
        if (failure.status !== 401 && !failure.isPassing && !AGAIN.has(failure.code)) break;
        await sleep(pause(tries, failure.retryAfter), signal);
      }
    }
    await remove("files", id);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    work.abort(); // lets go of the lock
  }
}
