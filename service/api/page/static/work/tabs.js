// Several tabs of one person have the same groups. One of them works on a group: it sends, uploads and writes it; the
// others show what it has written. A tab that closes, or that crashes, gives its groups to the next one.
//
// Browsers have locks (W3C Web Locks) on pages with HTTPS and on loopback alone. Elsewhere each tab works on all groups
// that it has: the keys of batches and uploads still see to it that everything arrives once.

const channel = new BroadcastChannel("lading");

/** Events: `told`, whose `detail` another tab has told. */
export const tabs = new EventTarget();
channel.addEventListener("message", ({ data }) => tabs.dispatchEvent(new CustomEvent("told", { detail: data })));

/** Tell the other tabs of this browser. */
export const tell = (text) => channel.postMessage(text);

/**
 * Wait until this tab alone works on a group.
 *
 * @param {string} id of the group.
 * @param {AbortSignal} signal ends the wait, or the work.
 * @returns {Promise<boolean>} false if the signal came first.
 */
export function hold(id, signal) {
  if (!navigator.locks) return Promise.resolve(!signal.aborted);
  return new Promise((resolve) => {
    const over = new Promise((end) => { signal.addEventListener("abort", end, { once: true }); });
    navigator.locks.request(`lading/${id}`, { signal }, () => {
      resolve(true);
      return over;
    }).catch(() => resolve(false));
  });
}
