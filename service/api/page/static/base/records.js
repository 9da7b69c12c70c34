// What outlives a reload: records in the browser's own database. Where there is none, or it fails, they live as long as
// the page.

const NAME = "lading";
const STORES = ["groups", "files"];
const memory = new Map(STORES.map((store) => [store, new Map()]));
let opened = null;

function open() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, 1);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => {
      for (const store of STORES) request.result.createObjectStore(store, { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => resolve(null);
  });
  return opened;
}

/** @returns {Promise<{result: any}|null>} null if the database does not do it: it has no room, for example. */
async function run(store, mode, act) {
  const database = await open();
  if (database === null) return null;
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(store, mode);
      const request = act(transaction.objectStore(store));
      transaction.oncomplete = () => resolve({ result: request.result });
      transaction.onerror = transaction.onabort = () => reject(transaction.error ?? request.error);
    });
  } catch {
    return null;
  }
}

/**
 * Write a record, whole.
 *
 * @returns {Promise<boolean>} whether it outlives a reload: there may be no room for the bytes of a file.
 */
export async function put(store, record) {
  const isKept = (await run(store, "readwrite", (found) => found.put(record))) !== null;
  if (isKept) memory.get(store).delete(record.id);
  else memory.get(store).set(record.id, record);
  return isKept;
}

/** One record, or undefined. */
export async function get(store, id) {
  return memory.get(store).get(id) ?? (await run(store, "readonly", (found) => found.get(id)))?.result;
}

/** All records. */
export async function all(store) {
  const kept = (await run(store, "readonly", (found) => found.getAll()))?.result ?? [];
  return [...new Map([...kept.map((record) => [record.id, record]), ...memory.get(store)]).values()];
}

/** The ids of the records that outlive a reload. */
export async function ids(store) {
  return (await run(store, "readonly", (found) => found.getAllKeys()))?.result ?? [];
}

/** Remove a record, if it is there. */
export async function remove(store, id) {
  memory.get(store).delete(id);
  await run(store, "readwrite", (found) => found.delete(id));
}

/** A random id; `crypto.randomUUID` is there on pages with HTTPS alone. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
