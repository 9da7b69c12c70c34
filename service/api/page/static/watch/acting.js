// What a person does with imports: try again, cancel. The tab that holds a group does it, whichever tab it was asked in.

import { call, Failure } from "../api/client.js";
import { randomId } from "../base/records.js";
import { look } from "../work/following.js";
import { again, FAILED } from "../work/items.js";
import { groups } from "../work/groups.js";
import { sendAgain } from "../work/sending.js";
import { tabs, tell } from "../work/tabs.js";
import { canUploadAgain, cancelUpload, uploadAgain } from "../work/uploading.js";

const AT_ONCE = 4;

const ACTIONS = { retry, retryAll, cancel, sendAgain, drop: (group) => groups.drop(group) };

/** What other tabs were asked to do, by id, until one says that it does it. The one that was asked may have closed. */
const asked = new Map();

/**
 * Do something with a group, or with an item of it.
 *
 * @param {"retry"|"retryAll"|"cancel"|"sendAgain"|"drop"} action `retry` and `cancel` are for an item.
 */
export function act(action, group, item = null) {
  const request = { id: randomId(), action, group: group.id, item: item?.id ?? null };
  if (perform(request)) return;
  asked.set(request.id, request);
  tell({ request });
}

/** @returns {boolean} whether this tab holds the group, and has begun. */
function perform({ action, group: groupId, item: itemId }) {
  const group = groups.all.find((one) => one.id === groupId);
  if (!group?.isHeld || !Object.hasOwn(ACTIONS, action)) return false;
  const item = group.items.find((one) => one.id === itemId) ?? null;
  if (itemId === null || item !== null) ACTIONS[action](group, item);
  return true;
}

tabs.addEventListener("told", ({ detail: { request, begun } }) => {
  if (begun) asked.delete(begun);
  else if (request && perform(request)) tell({ begun: request.id });
});
groups.addEventListener("held", ({ detail: { group } }) => {
  for (const request of asked.values()) {
    if (request.group === group.id && asked.delete(request.id)) perform(request);
  }
});
groups.addEventListener("removed", ({ detail: { group } }) => {
  for (const request of asked.values()) if (request.group === group.id) asked.delete(request.id);
});
groups.addEventListener("loaded", () => asked.clear());

/** Whether trying again may help. */
export function canRetry(item) {
  return (FAILED.has(item.state) || item.state === "cancelled") && (item.isFile ? canUploadAgain(item) : item.url !== null);
}

/** Try a failed item again. */
async function retry(group, item) {
  if (item.isFile) {
    await uploadAgain(group, item);
    return;
  }
  if (!item.importId && group.fault) {
    sendAgain(group);
    return;
  }
  try {
    const document = item.importId ? await call(`/api/v1/imports/${item.importId}/retry`, { method: "POST" })
      : await importAgain(group, item);
    groups.change(group, item, { ...again(item), importId: document.id, state: "queued", heard: Date.now() });
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.code === "not_retryable") await look(group, item);
    else groups.change(group, item, { error: { code: failure.code, detail: failure.detail } });
  }
}

/** Try all failed items of a group again. */
async function retryAll(group) {
  const failed = group.items.filter((item) => FAILED.has(item.state) && canRetry(item));
  const inBatch = failed.filter((item) => item.importId && !item.isFile);
  if (group.batchId && !group.isReplayed && inBatch.length > 1) {
    const answer = await call(`/api/v1/batches/${group.batchId}/retry`, { method: "POST" }).catch(() => null);
    if (answer && Object.keys(answer.refused).length === 0 && answer.retried > 0) {
      for (const item of inBatch) {
        groups.change(group, item, { ...again(item), state: "queued", heard: Date.now() });
      }
    }
  }
  const rest = failed.filter((item) => FAILED.has(item.state));
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (rest.length) await retry(group, rest.shift());
  }));
}

/** Cancel an item that is not final. */
async function cancel(group, item) {
  if (item.state === "unloaded" || item.state === "uploading") {
    await cancelUpload(group, item);
    return;
  }
  try {
    groups.take(await call(`/api/v1/imports/${item.importId}/cancel`, { method: "POST" }));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    await look(group, item);
  }
}

async function importAgain(group, item) {
  const wish = JSON.parse(group.wish ?? "{}");
  return call("/api/v1/imports", {
    method: "POST", json: { ...wish, url: item.url }, headers: { "Idempotency-Key": randomId() },
  });
}
