// Uploads a file by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload): in pieces, each of which begins
// where the service says that the bytes end.

import { Failure, failureFrom, request } from "./client.js";
import { session } from "./session.js";

const PIECE = 8 * 1024 * 1024;
const TUS = { "Tus-Resumable": "1.0.0" };

/** The longest file that the service takes, in bytes. */
export async function longestUpload() {
  const response = await request("/api/v1/uploads", { method: "OPTIONS", headers: TUS });
  return Number(response.headers.get("Tus-Max-Size"));
}

/**
 * Create an upload.
 *
 * @param {number} length of the file in bytes.
 * @param {Array<[string, string]>} metadata the parameters of the import.
 * @param {string} key the same for each try, so that there is one upload.
 * @returns {Promise<{id: string, offset: number}>} the id of the upload, which is the id of its import, and where to begin.
 */
export async function createUpload(length, metadata, key, signal) {
  const encoded = metadata.map(([name, value]) => `${name} ${base64(value)}`).join(",");
  const headers = { ...TUS, "Upload-Length": String(length), "Upload-Metadata": encoded, "Idempotency-Key": key };
  const response = await request("/api/v1/uploads", { method: "POST", headers, signal });
  const id = response.headers.get("Location").split("/").pop();
  return { id, offset: Number(response.headers.get("Upload-Offset")) };
}

/** Ask how many bytes of an upload have come. */
export async function uploadOffset(id, signal) {
  const response = await request(`/api/v1/uploads/${id}`, { method: "HEAD", headers: TUS, signal });
  return Number(response.headers.get("Upload-Offset"));
}

/** End an upload, and cancel its import. */
export async function endUpload(id) {
  await request(`/api/v1/uploads/${id}`, { method: "DELETE", headers: TUS });
}

/**
 * Send the next piece of a file.
 *
 * @param {string} id
 * @param {Blob} file
 * @param {number} offset
 * @param {(sent: number) => void} progress gets the bytes of the whole file that have left.
 * @param {AbortSignal} signal
 * @returns {Promise<number>} the new offset.
 * @throws {Failure}
 */
export function sendPiece(id, file, offset, progress, signal) {
  const token = session.rights?.token ?? "";
  const body = file.slice(offset, offset + PIECE, "application/offset+octet-stream");
  // Only an XMLHttpRequest tells how much of a body has left.
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    const abort = () => call.abort();
    call.open("PATCH", `/api/v1/uploads/${id}`);
    const fields = { ...TUS, Authorization: `Bearer ${token}`, "Upload-Offset": String(offset) };
    for (const [name, value] of Object.entries(fields)) call.setRequestHeader(name, value);
    call.setRequestHeader("Content-Type", "application/offset+octet-stream");
    call.upload.addEventListener("progress", (event) => progress(offset + event.loaded));
    call.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    call.addEventListener("error", () => reject(new Failure({})));
    call.addEventListener("abort", () => reject(signal.reason));
    call.addEventListener("load", () => {
      if (call.status === 204) {
        resolve(Number(call.getResponseHeader("Upload-Offset")));
        return;
      }
      if (call.status === 401) session.refuse(token);
      reject(failureFrom(call.status, parsed(call.responseText), call.getResponseHeader("Retry-After")));
    });
    signal.addEventListener("abort", abort);
    if (signal.aborted) reject(signal.reason);
    else call.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
