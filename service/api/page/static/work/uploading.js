// Uploads files, several at once. Their bytes are kept by the browser until they have come, so that a reload goes on.

import { call, Failure, pause, sleep } from "../api/client.js";
import { session } from "../api/session.js";
import { createUpload, endUpload, sendPiece, uploadOffset } from "../api/tus.js";
import { announce } from "../base/live.js";
import { all, get, ids, put, randomId, remove } from "../base/records.js";
import { T } from "../texts.js";
import { cancelCreated, isOwed } from "./cancelling.js";
import { progressed } from "./following.js";
import { FINAL, groups } from "./groups.js";
import { again } from "./items.js";

const AT_ONCE = 3;
/** Errors after which an upload goes on. The answer to HEAD has a status alone: another request still sends or stores. */
const AGAIN = new Set(["upload_offset_mismatch", "idempotency_in_progress", "content_in_progress", "request_timeout",
  "http_409"]);
const FILE_GONE = { code: "file_gone", detail: T.fileGone };
const running = new Map();
const queue = [];
/** The files that were added in this tab, which a person may try again. */
const kept = new Map();

/**
 * Add files, with the options of all of them.
 *
 * @param {Array<{file: File, name: string}>} files
 * @param {Array<[string, string]>} options parameters of each import, for `Upload-Metadata`.
 * @param {string|null} album
 */
export async function sendFiles(files, options, album) {
  const items = files.map(({ file, name }) => ({
    id: randomId(), importId: null, label: name, url: null, size: file.size, album, state: "unloaded", error: null,
    imageId: null, isFile: true,
  }));
  // The group first: a reload while the browser copies the files tells which ones it has not.
  const group = await groups.add({ kind: "files", items });
  group.filled = keepAll(group, files, options);
  await group.filled;
}

async function keepAll(group, files, options) {
  const { items } = group;
  for (const [index, item] of items.entries()) {
    const { file, name } = files[index];
    if (groups.all.includes(group)) await keep(group, { id: item.id, file, metadata: [["filename", name], ...options] });
    if (!groups.all.includes(group) || FINAL.has(item.state)) { // the person has left, or has cancelled it
      await remove("files", item.id);
      continue;
    }
    queue.push({ group, item });
    work();
  }
}

/** Let the browser keep a file, with a new key. One that it has no room for is kept by this tab. */
async function keep(group, record) {
  const whole = { ...record, key: randomId() };
  kept.set(record.id, whole);
  if ((await put("files", whole)) || group.isUnkept || !groups.all.includes(group)) return;
  groups.set(group, { isUnkept: true });
  announce(T.watch.unkept);
}

/** Go on with the files of a group that an earlier page, or another tab, has not sent to its end. */
export async function resumeUploads(group) {
  if (group.kind !== "files") return;
  const unwanted = new Map(group.items.filter((item) => !isWaiting(item)).map((item) => [item.id, item]));
  for (const item of group.items) if (isWaiting(item)) queue.push({ group, item });
  work();
  // The earlier page has ended between two writes.
  for (const id of await ids("files")) if (unwanted.has(id)) await dismiss(group, unwanted.get(id));
}

/** Remove files that belong to nothing. */
export async function sweepFiles() {
  const found = await ids("files"); // before the groups: each of them is written before its files
  const wanted = new Set((await all("groups")).flatMap((group) => group.items.map(({ id }) => id)));
  for (const id of found) if (!wanted.has(id) && !isOwed(id)) await remove("files", id);
}

/**
 * Whether the bytes of a file may still be needed. An import that runs waits for them again if the service dies, so that
 * its state alone says nothing of them.
 */
const isWaiting = (item) => !FINAL.has(item.state);

/** Whether the bytes of a file are still there. */
export const canUploadAgain = (item) => item.isFile && kept.has(item.id);

/** Upload a file again, as another import. */
export async function uploadAgain(group, item) {
  await keep(group, kept.get(item.id));
  groups.change(group, item, { ...again(item), importId: null, isSent: false, state: "unloaded", received: null });
  queue.push({ group, item });
  work();
}

/** Stop an upload, and cancel its import. */
export async function cancelUpload(group, item) {
  running.get(item.id)?.abort();
  groups.change(group, item, { state: "cancelled", received: null });
  await dismiss(group, item);
  if (item.importId) await endUpload(item.importId).catch(() => {});
}

/** Keep the bytes of a file no longer. If it is cancelled, and may have an import, that is cancelled too. */
async function dismiss(group, item) {
  const mayWait = item.state === "cancelled" && item.isSent && !item.importId;
  const record = mayWait ? (await get("files", item.id)) ?? kept.get(item.id) : null;
  if (record) await cancelCreated(record, item.size, group.owner);
  await arrived(group, item);
}

/** Stop all uploads: the person has signed out. */
export function stopUploads() {
  queue.length = 0;
  for (const stop of running.values()) stop.abort();
  running.clear();
  kept.clear();
}

groups.addEventListener("removed", ({ detail }) => {
  for (const { id } of detail.group.items) {
    running.get(id)?.abort();
    kept.delete(id);
  }
});
groups.addEventListener("released", ({ detail }) => {
  const ids = new Set(detail.group.items.map(({ id }) => id));
  queue.splice(0, queue.length, ...queue.filter(({ item }) => !ids.has(item.id)));
  for (const id of ids) {
    running.get(id)?.abort();
    running.delete(id);
  }
});

function work() {
  while (running.size < AT_ONCE && queue.length) {
    const { group, item } = queue.shift();
    if (running.has(item.id) || FINAL.has(item.state) || !group.isHeld || !groups.all.includes(group)) continue;
    const stop = new AbortController();
    running.set(item.id, stop);
    upload(group, item, stop.signal).finally(() => {
      if (running.get(item.id) === stop) running.delete(item.id);
      work();
    });
  }
}

/** Upload a file, and see to it that its import ends. */
async function upload(group, item, signal) {
  const record = (await get("files", item.id)) ?? kept.get(item.id);
  if (record && !signal.aborted) await sendFile(group, item, record, signal);
  // Without the bytes of a file: they have come, as the service then tells, or are gone.
  if (!signal.aborted && isWaiting(item)) await lookAfter(group, item, FILE_GONE, signal);
}

/** Send the bytes of a file. When this returns, the service has them, or does not take them. */
async function sendFile(group, item, record, signal) {
  for (let tries = 0; ; tries += 1) {
    try {
      await session.ready();
      signal.throwIfAborted();
      // It may be final, as an event has told meanwhile.
      if (!FINAL.has(item.state)) await attempt(group, item, record, signal, () => { tries = 0; });
      await arrived(group, item);
      return;
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof Failure)) throw failure;
      const isPassing = failure.status === 401 || failure.isPassing || AGAIN.has(failure.code);
      const isChanged = failure.status === 0 && !(await isReadable(record.file)); // since it was chosen
      if (isChanged) kept.delete(item.id);
      if (!isPassing || isChanged) {
        await lookAfter(group, item, isChanged ? FILE_GONE : { code: failure.code, detail: failure.detail }, signal);
        if (!signal.aborted) await arrived(group, item);
        return;
      }
      if (FINAL.has(item.state)) continue;
      groups.change(group, item, { state: "unloaded", rate: null, isLost: failure.status === 0 });
      await sleep(pause(tries, failure.retryAfter), signal).catch(() => {});
      if (signal.aborted) return;
    }
  }
}

/** Keep the bytes of a file no longer. A reload must not find a group that still wants them. */
async function arrived(group, item) {
  await groups.settle(group);
  await remove("files", item.id);
}

/**
 * Ask for an import that is sent no more bytes until it has ended. One that still waits for bytes, or that was never
 * created, has failed.
 *
 * @param {{code: string, detail: string}} error why it then has failed.
 */
async function lookAfter(group, item, error, signal) {
  for (let tries = 0; item.importId; tries += 1) {
    await session.ready();
    if (signal.aborted) return;
    let asked = null;
    try {
      const document = await call(`/api/v1/imports/${item.importId}`, { signal });
      if (signal.aborted) return;
      groups.take(document);
      if (FINAL.has(document.status) || document.status === "waiting") break;
    } catch (failure) {
      if (signal.aborted) return;
      if (!(failure instanceof Failure)) throw failure;
      if (failure.status !== 401 && !failure.isPassing) break;
      asked = failure.retryAfter;
    }
    await sleep(pause(tries, asked), signal).catch(() => {});
    if (signal.aborted) return;
  }
  if (isWaiting(item)) groups.change(group, item, { state: "failed", received: null, error });
}

/** Whether the bytes of a file can still be read. */
const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

async function attempt(group, item, record, signal, moved) {
  let offset;
  if (item.importId) offset = await uploadOffset(item.importId, signal);
  else {
    groups.change(group, item, { isSent: true });
    const created = await createUpload(record.file.size, record.metadata, record.key, signal);
    groups.change(group, item, { importId: created.id });
    ({ offset } = created);
  }
  signal.throwIfAborted(); // the answer has come in the moment in which it was cancelled
  groups.change(group, item, { state: "uploading", isLost: false, ...progressed(item, offset, record.file.size) });
  while (offset < record.file.size) {
    offset = await sendPiece(item.importId, record.file, offset, (sent) => {
      if (item.state === "uploading") groups.change(group, item, progressed(item, sent, record.file.size));
    }, signal);
    moved();
  }
  groups.change(group, item, { state: "running", received: null, rate: null });
}
