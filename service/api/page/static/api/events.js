// Server-sent events by fetch: an EventSource sends no header fields, and would need the token in the URL.

import { Failure, pause, request, sleep } from "./client.js";
import { session } from "./session.js";

/**
 * Read a stream of events until the service says that it is over (204), or the signal aborts it. A lost connection is
 * taken up again after the last event that came.
 *
 * @param {string} path
 * @param {{heard: (name: string, data: object) => void, opened?: (isAgain: boolean) => void, signal: AbortSignal}} options
 * @throws {Failure} the service refuses the stream for good.
 */
export async function follow(path, { heard, opened = () => {}, signal }) {
  let lastId = "";
  let tries = 0;
  for (;;) {
    await session.ready();
    let asked = null;
    try {
      const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
      const response = await request(path, { headers, signal });
      if (response.status === 204) return;
      opened(lastId !== "");
      for await (const event of parsed(response)) {
        tries = 0;
        if (event.id !== null) lastId = event.id;
        if (event.data !== null) heard(event.name, JSON.parse(event.data));
      }
    } catch (failure) {
      if (signal.aborted) return;
      if (failure instanceof Failure) {
        if (failure.status !== 401 && !failure.isPassing) throw failure;
        asked = failure.retryAfter;
      }
    }
    if (signal.aborted) return;
    await sleep(pause(tries, asked), signal).catch(() => {});
    if (signal.aborted) return;
    tries += 1;
  }
}

/** The events of an answer (WHATWG HTML, section 9.2.6). */
async function* parsed(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: null, id: null };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data !== null || event.id !== null) yield event;
        event = { name: "message", data: null, id: null };
        continue;
      }
      const colon = line.indexOf(":");
      if (colon <= 0) continue;
      const field = line.slice(0, colon);
      const text = line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event.name = text;
      else if (field === "id") event.id = text;
      else if (field === "data") event.data = event.data === null ? text : `${event.data}\n${text}`;
    }
  }
}
