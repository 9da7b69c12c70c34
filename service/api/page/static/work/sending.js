// Sends links as one batch. Its key is on disk before the first try, so that trying again imports nothing twice.

import { Failure, failureFrom, pause, request, sleep } from "../api/client.js";
import { session } from "../api/session.js";
import { randomId } from "../base/records.js";
import { FAILED } from "./items.js";
import { groups } from "./groups.js";

/** Why an item is refused for now: it is sent again. */
const PASSING = new Set(["idempotency_in_progress", "rate_limited", "backlog_full", "documents_unavailable",
  "service_restarting", "service_stopping"]);

const running = new Map();

/**
 * Add links, with the options of all of them.
 *
 * @param {string[]} urls
 * @param {object} options parameters of each import.
 */
export async function sendLinks(urls, options) {
  const items = urls.map((url, index) => newItem({ url, label: url, line: index + 1, album: options.album_id ?? null }));
  const body = urls.map((url) => JSON.stringify({ ...options, url })).join("\n");
  const type = "application/x-ndjson";
  const pending = { key: randomId(), type, body };
  deliver(await groups.add({ kind: "links", items, wish: JSON.stringify(options), pending }));
}

/**
 * Add a list of imports: NDJSON, a JSON array or CSV. Its lines become items as the service answers.
 *
 * @param {string} name of the file.
 * @param {string} body
 * @param {string} type media type of the body.
 */
export async function sendList(name, body, type) {
  deliver(await groups.add({ kind: "list", name, items: [], pending: { key: randomId(), type, body } }));
}

/** Go on with a group that an earlier page, or another tab, has not sent to its end. */
export function resumeSending(group) {
  if (group.pending) deliver(group);
}

/** Send a group that could not be sent, again. */
export function sendAgain(group) {
  groups.set(group, { fault: null });
  deliver(group);
}

/** Stop all sending: the person has signed out. */
export function stopSending() {
  for (const stop of running.values()) stop.abort();
  running.clear();
}

for (const event of ["removed", "released"]) {
  groups.addEventListener(event, ({ detail: { group } }) => {
    running.get(group.id)?.abort();
    running.delete(group.id);
  });
}

async function deliver(group) {
  if (running.has(group.id) || group.fault || !group.isHeld || !groups.all.includes(group)) return;
  const stop = new AbortController();
  running.set(group.id, stop);
  try {
    for (let tries = 0; ; tries += 1) {
      await session.ready();
      if (stop.signal.aborted) return;
      try {
        await sendOnce(group, stop.signal, tries > 0);
        groups.set(group, { pending: null, offline: false });
        return;
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        if (failure.status !== 401 && !failure.isPassing) {
          refuse(group, failure);
          return;
        }
        groups.set(group, { offline: failure.status === 0 });
        await sleep(pause(tries, failure.retryAfter), stop.signal);
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    if (running.get(group.id) === stop) running.delete(group.id);
  }
}

async function sendOnce(group, signal, isAgain) {
  const { key, type, body } = group.pending;
  const byLine = new Map(group.items.map((item) => [item.line, item]));
  const lines = type === "application/json" ? [] : body.split("\n");
  // The lines keep their numbers, of which the service makes the keys of the items.
  const missing = lines.map((line, index) => (byLine.get(index + 1)?.importId ? "" : line)).join("\n");
  const response = await request("/api/v1/imports/batch", {
    method: "POST", headers: { "Content-Type": type, "Idempotency-Key": key }, body: lines.length ? missing : body, signal,
  });
  groups.set(group, { batchId: response.headers.get("X-Batch-Id"), offline: false, isReplayed: isAgain });
  let summary = null;
  let passing = null;
  for await (const answer of answers(response)) {
    if (answer.line === undefined) summary = answer;
    else if (PASSING.has(answer.code)) passing = answer;
    else takeLine(group, byLine, answer, lines[answer.line - 1] ?? "");
  }
  if (summary === null) throw new Failure({});
  if (!summary.complete) {
    if (summary.code) throw failureFrom(summary.code === "json_invalid" ? 422 : 503, summary, null);
    throw new Failure({});
  }
  if (passing) throw failureFrom(503, passing, null);
  if (summary.replayed > 0) groups.set(group, { isReplayed: true });
}

async function* answers(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const parts = (rest + (value ?? "")).split("\n");
      rest = done ? "" : parts.pop();
      for (const part of parts) if (part.trim()) yield JSON.parse(part);
      if (done) return;
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure({});
  } finally {
    reader.cancel().catch(() => {});
  }
}

function takeLine(group, byLine, answer, text) {
  let item = byLine.get(answer.line);
  if (!item) {
    const url = /https?:\/\/[^\s"';,<>]+/i.exec(text)?.[0] ?? null;
    item = newItem({ url, label: url ?? "", line: answer.line, album: null });
    byLine.set(answer.line, item);
    group.push(item);
  }
  if (answer.id !== undefined) {
    if (item.importId === answer.id) return;
    groups.change(group, item, { importId: answer.id, state: "queued", error: null, heard: Date.now() });
  } else {
    groups.change(group, item, { state: "refused", error: { code: answer.code, detail: answer.detail } });
  }
}

function refuse(group, failure) {
  const error = { code: failure.code, detail: failure.detail };
  groups.set(group, { fault: error, offline: false });
  for (const item of group.items) {
    if (!item.importId && !FAILED.has(item.state)) groups.change(group, item, { state: "refused", error });
  }
}

function newItem(facts) {
  return { id: randomId(), importId: null, size: null, state: "unsent", error: null, imageId: null, isFile: false, ...facts };
}
