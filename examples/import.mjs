// Imports an image by its URL and follows the import to its end, with fetch and EventSource alone.
//
// A page imports the two functions. In Node.js, whose EventSource is still an experiment:
//
//     LADING_URL=http://127.0.0.1:8080 LADING_TOKEN=... \
//       node --experimental-eventsource import.mjs https://www.example.org/photo.jpg holidays

const ATTEMPTS = 6;
const LONGEST_PAUSE = 60; // seconds

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/**
 * Import an image. The Idempotency-Key makes it safe to send the request again: there is one import.
 *
 * @param {string} base URL of the service
 * @param {string} token a JWT with image_upload in the album
 * @param {object} params url, album_id, metadata, ...: see docs/reference/api/imports.md
 * @returns {Promise<object>} the import as it was accepted
 * @throws {Error} with code and status, if the service refuses; or without, if it cannot be reached
 */
export async function importUrl(base, token, params) {
  const headers = {
    Authorization: `Bearer ${token}`,
    "Content-Type": "application/json",
    "Idempotency-Key": crypto.randomUUID(),
  };
  for (let attempt = 1; ; attempt += 1) {
    let pause = Math.min(0.25 * 2 ** attempt, LONGEST_PAUSE);
    try {
      const answer = await fetch(`${base}/api/v1/imports`, { method: "POST", headers, body: JSON.stringify(params) });
      const body = await answer.json();
      if (answer.ok) return body;
      const refusal = Object.assign(new Error(body.detail), { code: body.code, status: answer.status });
      const later = answer.headers.get("Retry-After");
      if (later === null || later > LONGEST_PAUSE || attempt === ATTEMPTS) throw refusal;
      pause = Number(later);
    } catch (error) {
      // Only a request that got no whole answer is sent again here: a lost connection, or the page of a proxy.
      if (error.code !== undefined && error.status !== undefined) throw error;
      if (attempt === ATTEMPTS) throw error;
    }
    await sleep(pause);
  }
}

/**
 * Follow an import to its end. A stream that is cut is opened again by EventSource itself, where it was.
 *
 * EventSource sends no header fields, so the token is in the URL; Lading does not log it.
 *
 * @param {string} base URL of the service
 * @param {string} token a JWT
 * @param {string} id of the import
 * @param {(progress: {received: number, total: number | null}) => void} onProgress called while bytes arrive
 * @returns {Promise<object>} the import: its status is done, failed or cancelled
 * @throws {Error} if the service refuses the stream, for instance since the token has ended
 */
export function follow(base, token, id, onProgress = () => {}) {
  const address = new URL(`${base}/api/v1/imports/${encodeURIComponent(id)}/events`);
  address.searchParams.set("access_token", token);
  const events = new EventSource(address);
  return new Promise((resolve, reject) => {
    events.addEventListener("progress", (event) => onProgress(JSON.parse(event.data)));
    events.addEventListener("state", (event) => {
      const shown = JSON.parse(event.data);
      if (["done", "failed", "cancelled"].includes(shown.status)) resolve(shown);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) reject(new Error("The service refuses the stream of events."));
    });
  }).finally(() => events.close());
}

if (typeof process !== "undefined" && process.argv[1] && import.meta.url.endsWith(process.argv[1].split("/").pop())) {
  const { LADING_URL: base, LADING_TOKEN: token } = process.env;
  const [url, album_id] = process.argv.slice(2);
  const accepted = await importUrl(base, token, { url, ...(album_id && { album_id }) });
  const alive = setInterval(() => {}, 1000); // Node.js would end while EventSource waits before it reconnects
  const ended = await follow(base, token, accepted.id).finally(() => clearInterval(alive));
  console.log(`${ended.id} ${ended.status}${ended.error ? `: ${ended.error.code}` : ""}`);
  process.exitCode = ended.status === "done" ? 0 : 1;
}
