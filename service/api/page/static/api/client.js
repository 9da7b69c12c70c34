// Calls the API. The token goes in a header field, never in a URL.

import { session } from "./session.js";
import { T } from "../texts.js";

/** An answer that is no success, or none at all. */
export class Failure extends Error {
  /**
   * @param {{status?: number, code?: string, detail?: string, requestId?: string, retryAfter?: number|null}} facts
   */
  constructor({ status = 0, code = "offline", detail = T.offline, requestId = "", retryAfter = null }) {
    super(detail);
    Object.assign(this, { status, code, detail, requestId, retryAfter });
  }

  /** Whether the same request may succeed later. */
  get isPassing() {
    return this.status === 0 || this.status === 423 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Send a request with the token.
 *
 * @param {string} path
 * @param {RequestInit & {json?: unknown}} [options]
 * @returns {Promise<Response>} a success.
 * @throws {Failure} any other answer, or none; DOMException if `signal` aborted it.
 */
export async function request(path, { json, headers = {}, ...options } = {}) {
  const token = session.rights?.token ?? "";
  const sent = { Authorization: `Bearer ${token}`, ...headers };
  if (json !== undefined) {
    sent["Content-Type"] = "application/json";
    options.body = JSON.stringify(json);
  }
  let response;
  try {
    response = await fetch(path, {
      ...options, headers: sent, credentials: "omit", redirect: options.redirect ?? "follow",
      cache: options.cache ?? "no-store",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure({});
  }
  if (response.ok) return response;
  if (response.status === 401) session.refuse(token);
  throw await failureOf(response);
}

/** Send a request, and read the JSON of its answer. */
export async function call(path, options) {
  const response = await request(path, options);
  try {
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new Failure({});
  }
}

/**
 * The next page of a list, by `Link` (RFC 8288).
 *
 * @param {Response} response a page.
 * @param {string} path of the list, without a query.
 * @returns {string|null} its path and query; null where there is none in this list.
 */
export function nextPage(response, path) {
  const next = /<([^>]*)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];
  return next?.startsWith(`${path}?`) ? next : null;
}

async function failureOf(response) {
  const problem = await response.json().catch(() => ({}));
  return failureFrom(response.status, problem, response.headers.get("Retry-After"));
}

/** A failure, from the facts of an answer (RFC 9457). */
export function failureFrom(status, problem, retryAfter) {
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  return new Failure({
    status,
    code: typeof problem.code === "string" ? problem.code : `http_${status}`,
    detail: typeof problem.detail === "string" ? problem.detail : T.unexpected(status),
    requestId: typeof problem.request_id === "string" ? problem.request_id : "",
    retryAfter: Number.isNaN(seconds) ? null : seconds,
  });
}

/** Wait, unless the signal aborts it. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** How long to wait before the next try: longer each time, never the same for all, and as the service asks. */
export function pause(tries, retryAfter = null) {
  const grown = Math.min(15000, 500 * 2 ** Math.min(tries, 8));
  return Math.max((retryAfter ?? 0) * 1000, grown * (0.5 + Math.random() / 2));
}
