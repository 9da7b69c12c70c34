// Begins and ends all work with the person whose token it is.

import { session } from "../api/session.js";
import { dropThumbnails } from "../api/thumbnails.js";
import { forgetCancelled, resumeCancelling, stopCancelling } from "./cancelling.js";
import { recheckFailed, startFollowing, stopFollowing } from "./following.js";
import { groups } from "./groups.js";
import { resumeSending, stopSending } from "./sending.js";
import { resumeUploads, stopUploads, sweepFiles } from "./uploading.js";

/** When nothing of earlier sessions is written or removed any more. */
let cleared = Promise.resolve();
let isPaused = false;

/** Take up what a person has left in this browser, as far as no other tab works on it. */
export async function beginWork() {
  isPaused = false;
  startFollowing();
  const { owner } = session;
  if (!(await groups.open(owner, cleared))) return;
  await resumeCancelling(owner);
  await sweepFiles();
}

/** The token is over: let another tab of the same person, whose token is good, go on with the work. */
export function pauseWork() {
  isPaused = true;
  groups.release();
  stopCancelling();
}

/** There is a token again. */
export function resumeWork() {
  if (!isPaused) return;
  isPaused = false;
  groups.resume();
  resumeCancelling(session.owner);
}

/** Stop at once. If it is forgotten, the browser then removes what the person has added; whatever is imported stays. */
export function endWork(isForgotten) {
  stopFollowing();
  stopSending();
  stopUploads();
  stopCancelling();
  dropThumbnails();
  const { owner } = groups;
  const { left, written } = groups.close();
  cleared = Promise.all([cleared, written]).then(() => (isForgotten ? Promise.all([groups.forget(left), forgetCancelled(owner)]) : null));
}

groups.addEventListener("held", ({ detail: { group } }) => {
  resumeSending(group);
  resumeUploads(group);
  recheckFailed(group);
});
