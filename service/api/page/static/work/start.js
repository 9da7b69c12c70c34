// Begins and ends all work with the person whose token it is.

import { session } from "../api/session.js";
import { dropThumbnails } from "../api/thumbnails.js";
import { recheckFailed, startFollowing, stopFollowing } from "./following.js";
import { groups } from "./groups.js";
import { resumeSending, stopSending } from "./sending.js";
import { resumeUploads, stopUploads } from "./uploading.js";

/** Take up what a person has left in this browser. */
export async function beginWork() {
  await groups.load(session.owner);
  startFollowing();
  resumeSending();
  resumeUploads();
  await recheckFailed();
}

/** Stop. The browser forgets what the person has added; whatever is imported stays. */
export async function endWork(isForgotten) {
  stopFollowing();
  stopSending();
  stopUploads();
  dropThumbnails();
  if (isForgotten) for (const group of [...groups.all]) await groups.drop(group);
  await groups.load(null);
}
