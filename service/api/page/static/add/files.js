// Files as they come: chosen, dropped, in folders, or as a picture on the clipboard.

/**
 * Files and what is in folders.
 *
 * @param {DataTransfer} transfer of a drop.
 * @returns {Promise<{files: Array<{file: File, name: string}>, unreadable: number}>} `name` has no folders.
 */
export async function droppedFiles(transfer) {
  // The entries are there during the event alone, so all of them are taken before anything is waited for.
  const entries = [...transfer.items].filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = [];
  let unreadable = 0;
  for (const entry of entries) {
    await gather(entry, found).catch(() => { unreadable += 1; });
  }
  return { files: found.map(named), unreadable };
}

/** Files of a field, or of the clipboard. */
export const chosenFiles = (list) => [...list].filter((file) => !isHidden(file.name)).map(named);

async function gather(entry, found) {
  if (entry instanceof File) found.push(entry);
  else if (entry.isFile) {
    if (!isHidden(entry.name)) found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else {
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return;
      for (const one of some) await gather(one, found);
    }
  }
}

/** What folders hold for the machine: .DS_Store, Thumbs.db. */
const isHidden = (name) => name.startsWith(".") || /^(?:thumbs\.db|desktop\.ini)$/i.test(name);

function named(file) {
  return { file, name: file.name };
}
