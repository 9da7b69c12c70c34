// What a person does with imports: try again, cancel.

import { call, Failure } from "../api/client.js";
import { randomId } from "../base/records.js";
import { look } from "../work/following.js";
import { FAILED, groups } from "../work/groups.js";
import { sendAgain } from "../work/sending.js";
import { canUploadAgain, cancelUpload, uploadAgain } from "../work/uploading.js";

const AT_ONCE = 4;

/** Whether trying again may help. */
export function canRetry(item) {
  return (FAILED.has(item.state) || item.state === "cancelled") && (item.isFile ? canUploadAgain(item) : item.url !== null);
}

/** Try a failed item again. */
export async function retry(group, item) {
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
    groups.change(group, item, { seen: null, importId: document.id, state: "queued", error: null, heard: Date.now() });
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.code === "not_retryable") await look(group, item);
    else groups.change(group, item, { error: { code: failure.code, detail: failure.detail } });
  }
}

/** Try all failed items of a group again. */
export async function retryAll(group) {
  const failed = group.items.filter((item) => FAILED.has(item.state) && canRetry(item));
  const inBatch = failed.filter((item) => item.importId && !item.isFile);
  if (group.batchId && !group.isReplayed && inBatch.length > 1) {
    const answer = await call(`/api/v1/batches/${group.batchId}/retry`, { method: "POST" }).catch(() => null);
    if (answer && Object.keys(answer.refused).length === 0 && answer.retried > 0) {
      for (const item of inBatch) {
        groups.change(group, item, { seen: null, state: "queued", error: null, heard: Date.now() });
      }
    }
  }
  const rest = failed.filter((item) => FAILED.has(item.state));
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (rest.length) await retry(group, rest.shift());
  }));
}

/** Cancel an item that is not final. */
export async function cancel(group, item) {
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
