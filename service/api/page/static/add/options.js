// What a person may say of all that is added: the album, and more where it is wanted.

import { session } from "../api/session.js";
import { albumsWith } from "../api/token.js";
import { fill, h, newId } from "../base/dom.js";
import { T } from "../texts.js";

const FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "ICO"];

/**
 * The fields of the options.
 *
 * @param {object} draft what was typed before, see `values`.
 * @param {() => void} changed
 * @returns {{album: Node, more: Node, values: () => object, showName: (isOne: boolean) => void}}
 */
export function optionFields(draft, changed) {
  const album = albumField(draft.album, changed);
  const name = textField(T.add.filename, T.add.filenameHint, draft.filename);
  const tags = textField(T.add.tags, T.add.tagsHint, draft.tags);
  const dedupe = choice(T.add.dedupe, T.add.dedupeHint, [["", T.add.dedupeOff], ["album", T.add.dedupeAlbum],
    ["organization", T.add.dedupeOrganization]], draft.dedupe);
  const format = choice(T.add.format, null, [["", T.add.anyFormat], ...FORMATS.map((one) => [one, one])], draft.format);
  const numbers = ["min_width", "min_height", "max_width", "max_height"].map((key) => [key,
    numberField(T.add.sides[key], draft[key])]);
  const metadata = metadataRows(draft.metadata ?? [], changed);
  const more = h("details.more", { open: draft.isOpen || null, toggle: changed }, h("summary", {}, T.add.more),
    h("div.options", {}, name.box, tags.box, dedupe.box,
      h("fieldset.stack", {}, h("legend", {}, T.add.metadata), metadata.box),
      h("fieldset.stack.expect", {}, h("legend", {}, T.add.expect), h("p.hint", {}, T.add.expectHint),
        h("div.grid", {}, format.box, numbers.map(([, field]) => field.box)))));
  more.addEventListener("input", changed);
  return {
    album: album.box,
    more,
    values: () => ({
      album: album.value(), filename: name.value(), tags: tags.value(), dedupe: dedupe.value(), format: format.value(),
      ...Object.fromEntries(numbers.map(([key, field]) => [key, field.value()])), metadata: metadata.values(),
      isOpen: more.open,
    }),
    showName: (isOne) => { name.box.hidden = !isOne; },
  };
}

/** The parameters of an import, from the values of the fields. */
export function paramsOf(values, isOne) {
  const expect = Object.fromEntries(Object.entries({
    format: values.format, min_width: values.min_width, min_height: values.min_height,
    max_width: values.max_width, max_height: values.max_height,
  }).filter(([, value]) => value !== ""));
  const tags = values.tags.split(",").map((tag) => tag.trim()).filter(Boolean);
  const metadata = Object.fromEntries(values.metadata.filter(([key]) => key !== ""));
  return Object.fromEntries(Object.entries({
    album_id: values.album, filename: isOne ? values.filename : "", tags, metadata, dedupe: values.dedupe, expect,
  }).filter(([, value]) => (typeof value === "string" ? value !== "" : Object.keys(value).length > 0)));
}

/** The same for `Upload-Metadata` of tus, whose values are texts. */
export function pairsOf(params) {
  return Object.entries(params).flatMap(([name, value]) => {
    if (name === "metadata") return [[name, JSON.stringify(value)]];
    if (Array.isArray(value)) return value.map((one) => [`${name}[]`, one]);
    if (typeof value === "object") return Object.entries(value).map(([key, one]) => [`${name}[${key}]`, one]);
    return [[name, value]];
  });
}

function albumField(value, changed) {
  const albums = albumsWith(session.rights, "image_upload");
  const isFree = session.rights.admin;
  const id = newId("album");
  const first = value || albums[0] || "";
  let field;
  let list = null;
  if (isFree) {
    list = h("datalist", { id: newId("albums") }, albums.map((album) => h("option", { value: album })));
    field = h("input", { id, value: first, list: list.id, autocomplete: "off", input: changed, maxlength: 255 });
  } else {
    field = h("select", { id, change: changed }, albums.map((album) => h("option", { value: album }, album)));
    if (albums.includes(first)) field.value = first;
  }
  const box = h("div.field", {}, h("label", { for: id }, T.add.album), field, list);
  return { box, value: () => field.value.trim() };
}

function textField(label, hint, value = "") {
  const field = h("input", { id: newId("field"), value, autocomplete: "off" });
  return { box: wrapped(label, hint, field), value: () => field.value.trim() };
}

function numberField(label, value = "") {
  const field = h("input", { id: newId("field"), value, type: "number", min: 1, step: 1, inputmode: "numeric" });
  return { box: wrapped(label, null, field), value: () => field.value.trim() };
}

function choice(label, hint, options, value = "") {
  const field = h("select", { id: newId("field") }, options.map(([key, text]) => h("option", { value: key }, text)));
  field.value = value;
  return { box: wrapped(label, hint, field), value: () => field.value };
}

function wrapped(label, hint, field) {
  const about = hint ? h("p.hint", { id: newId("hint") }, hint) : null;
  if (about) field.setAttribute("aria-describedby", about.id);
  return h("div.field", {}, h("label", { for: field.id }, label), field, about);
}

function metadataRows(pairs, changed) {
  const rows = h("div.stack");
  const box = h("div.stack", {}, rows, h("button.small", {
    type: "button", click: () => add("", "").querySelector("input").focus(),
  }, T.add.metadataAdd));
  const add = (key, value) => {
    const row = h("div.pair", {},
      h("input", { "aria-label": T.add.metadataName, placeholder: T.add.metadataName, value: key, autocomplete: "off" }),
      h("input", { "aria-label": T.add.metadataValue, placeholder: T.add.metadataValue, value, autocomplete: "off" }),
      h("button.plain", {
        type: "button", "aria-label": T.add.metadataRemove,
        click: () => {
          row.remove();
          changed();
        },
      }, "×"));
    rows.append(row);
    return row;
  };
  fill(rows);
  for (const [key, value] of pairs) add(key, value);
  return {
    box,
    values: () => [...rows.children].map((row) => [...row.querySelectorAll("input")].map((field) => field.value.trim())),
  };
}
