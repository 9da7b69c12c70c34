// The view that adds images: one place for links, files and lists, and one button.

import { session } from "../api/session.js";
import { longestUpload } from "../api/tus.js";
import { allows } from "../api/token.js";
import { fill, h, newId, say } from "../base/dom.js";
import { size } from "../base/format.js";
import { announce } from "../base/live.js";
import { go } from "../shell/going.js";
import { T } from "../texts.js";
import { sendLinks, sendList } from "../work/sending.js";
import { sendFiles } from "../work/uploading.js";
import { chosenFiles, droppedFiles } from "./files.js";
import { findLinks, isListFile, linksOfHtml, listType } from "./links.js";
import { optionFields, pairsOf, paramsOf } from "./options.js";

const DRAFT = "lading-draft";
const SHOWN = 200;
const LONGEST_LIST = 64 * 1024 * 1024;
/** Files that are not added yet; they stay when another view is shown. */
let staged = [];
let lists = [];

export const add = { name: "add", title: T.views.add, isAllowed: (rights) => allows(rights, "image_upload"), open };

session.addEventListener("left", () => {
  staged = lists = [];
  sessionStorage.removeItem(DRAFT);
});

function open(place) {
  const stop = new AbortController();
  const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "{}");
  let longest = Infinity;
  longestUpload().then((found) => {
    longest = found || Infinity;
    show();
  }).catch(() => {});

  const label = newId("links");
  const text = h("textarea", {
    id: label, rows: 5, placeholder: T.add.placeholder, spellcheck: "false", autocapitalize: "off",
    "aria-describedby": `${label}-hint`, input: () => show(),
  });
  text.value = draft.text ?? "";
  const found = h("p.hint", { id: `${label}-hint` });
  const files = h("input.hidden", { type: "file", multiple: true, tabindex: "-1", "aria-hidden": "true" });
  const folder = h("input.hidden", { type: "file", webkitdirectory: true, tabindex: "-1", "aria-hidden": "true" });
  const fault = h("p.fault", { role: "alert" });
  const list = h("ul.staged", { "aria-label": T.add.staged });
  const button = h("button.primary", { type: "submit" });
  const options = optionFields(draft.options ?? {}, () => keep());

  for (const field of [files, folder]) {
    field.addEventListener("change", () => {
      stage(chosenFiles(field.files));
      field.value = "";
    });
  }

  const drop = h("div.drop", {}, h("p", {}, h("strong", {}, T.add.drop), " ", h("span.hint", {}, T.add.dropHint)),
    h("div.row", {}, h("button", { type: "button", click: () => files.click() }, T.add.chooseFiles),
      h("button", { type: "button", click: () => folder.click() }, T.add.chooseFolder)), files, folder);
  const form = h("form.card.stack", { novalidate: true, submit }, h("div.field", {}, h("label", { for: label }, T.add.links),
    text, found), drop, list, options.album, options.more, fault, h("div.row.go", {}, button));
  fill(place, h("h1", {}, T.add.title), form);

  listen(stop.signal);
  show();
  return () => stop.abort();

  function plan() {
    const type = listType(text.value);
    return { type, links: type === null ? findLinks(text.value) : [] };
  }

  function show() {
    const { type, links } = plan();
    const good = staged.filter((one) => one.file.size <= longest && one.file.size > 0);
    say(found, type !== null ? T.add.foundList : text.value.trim() === "" ? T.add.linksHint : T.add.found(links.length));
    found.classList.toggle("warn", type === null && links.length === 0 && text.value.trim() !== "");
    fill(list, [...lists, ...staged].slice(0, SHOWN).map((one) => row(one, longest)),
      staged.length > SHOWN && h("li.hint", {}, T.add.moreFiles(staged.length - SHOWN)));
    list.hidden = staged.length + lists.length === 0;
    options.showName(links.length + good.length === 1 && lists.length === 0);
    const rest = lists.length + (type === null ? 0 : 1);
    say(button, T.add.submit(links.length, good.length, rest));
    const isNothing = links.length + good.length + rest === 0;
    button.setAttribute("aria-disabled", String(isNothing));
    if (!isNothing) say(fault, "");
    keep();
  }

  function row(one, most) {
    const problem = one.file.size > most ? T.add.tooLarge(size(most)) : one.file.size === 0 ? T.add.empty : "";
    return h("li", { class: problem ? "bad" : null }, h("span.name", {}, one.name), h("span.hint", {}, size(one.file.size)),
      problem && h("span.fault", {}, problem), h("button.plain.small", {
        type: "button", "aria-label": T.add.removeFile(one.name),
        click: () => {
          staged = staged.filter((other) => other !== one);
          lists = lists.filter((other) => other !== one);
          show();
          button.focus();
        },
      }, "×"));
  }

  function stage(more) {
    lists = [...lists, ...more.filter((one) => isListFile(one.file))];
    const pictures = more.filter((one) => !isListFile(one.file));
    const known = new Set(staged.map((one) => key(one.file)));
    staged = [...staged, ...pictures.filter((one) => !known.has(key(one.file)))];
    show();
    if (more.length) announce(T.add.stagedNow(staged.length + lists.length));
    button.focus();
  }

  function keep() {
    sessionStorage.setItem(DRAFT, JSON.stringify({ text: text.value, options: options.values() }));
  }

  async function submit(event) {
    event.preventDefault();
    const { type, links } = plan();
    const good = staged.filter((one) => one.file.size <= longest && one.file.size > 0);
    if (links.length + good.length + lists.length === 0 && type === null) {
      say(fault, T.add.nothing);
      text.focus();
      return;
    }
    if (lists.some((one) => one.file.size > LONGEST_LIST)) {
      say(fault, T.add.listTooLong(size(LONGEST_LIST)));
      return;
    }
    const values = options.values();
    const params = paramsOf(values, links.length + good.length === 1 && lists.length === 0);
    const named = params.filename;
    delete params.filename;
    const typed = text.value;
    let tables;
    try {
      tables = await Promise.all(lists.map(async (one) => [one.name, await one.file.text()]));
    } catch { // it has changed since it was chosen
      say(fault, T.add.unreadable(1));
      return;
    }
    staged = lists = [];
    text.value = "";
    show();
    go("watch");
    if (type !== null) await sendList(T.add.pastedList, typed, type);
    if (links.length) await sendLinks(links, named ? { ...params, filename: named } : params);
    for (const [name, body] of tables) await sendList(name, body, listType(body, name));
    if (good.length) {
      const renamed = named ? [{ ...good[0], name: named }] : good;
      await sendFiles(renamed, pairsOf(params), params.album_id ?? null);
    }
  }

  function listen(signal) {
    const over = (event) => {
      if (![...event.dataTransfer.types].includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      drop.classList.add("over");
    };
    addEventListener("dragover", over, { signal });
    addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) drop.classList.remove("over");
    }, { signal });
    addEventListener("drop", async (event) => {
      drop.classList.remove("over");
      if (event.dataTransfer.files.length === 0) return;
      event.preventDefault();
      const { files, unreadable } = await droppedFiles(event.dataTransfer);
      stage(files);
      if (unreadable) say(fault, T.add.unreadable(unreadable));
    }, { signal });
    addEventListener("paste", (event) => {
      const pasted = event.clipboardData;
      if (pasted.files.length && !pasted.getData("text/plain")) {
        event.preventDefault();
        stage(chosenFiles(pasted.files));
        return;
      }
      const isField = event.target.matches?.("input, textarea");
      if (isField && event.target !== text) return;
      const plain = pasted.getData("text/plain");
      const more = linksOfHtml(pasted.getData("text/html"));
      if (more.length && findLinks(plain).length === 0) insert(event, more.join("\n"));
      else if (!isField && plain) insert(event, plain);
    }, { signal });
  }

  function insert(event, more) {
    event.preventDefault();
    text.value = text.value.trimEnd() + (text.value.trim() ? "\n" : "") + more + "\n";
    text.focus();
    show();
  }
}

const key = (file) => JSON.stringify([file.webkitRelativePath, file.name, file.size, file.lastModified]);
