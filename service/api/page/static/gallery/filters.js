// Which imports are to be found: the album, and the fields beside it.

import { fill, h, newId } from "../base/dom.js";
import { T } from "../texts.js";

const STATES = ["done", "failed", "running", "queued", "waiting", "cancelled"];
const PATIENCE = 350;
const DATES = new Set(["after", "before"]);
const DAY = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/;

/** Nothing is filtered. */
export const NONE = { album: "", status: "", text: "", after: "", before: "", name: "", value: "", batch: "" };

/** The filters that an address has, or null. Dates are days: anything else in their place counts not. */
export function wantedIn(query) {
  const isGood = (name, text) => text && (!DATES.has(name) || DAY.test(text));
  const found = Object.keys(NONE).filter((name) => isGood(name, query.get(name)));
  return found.length ? { ...NONE, ...Object.fromEntries(found.map((name) => [name, query.get(name)])) } : null;
}

/** The address of the view with these filters. */
export function addressOf(wanted) {
  const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
  return query ? `find?${query}` : "find";
}

/** The parameters of the list for these filters. */
export function queryOf(wanted) {
  const moment = (text, later = 0) => {
    if (!text) return "";
    const [year, month, day] = text.split("-").map(Number);
    return new Date(year, month - 1, day + later).toISOString();
  };
  return [
    ["album_id", wanted.album], ["status", wanted.status], ["created_after", moment(wanted.after)],
    ["created_before", moment(wanted.before, 1)], [`metadata[${wanted.name}]`, wanted.name && wanted.value],
    ["batch_id", wanted.batch],
  ].filter(([, value]) => value);
}

/** The words of the filter that the page applies itself. */
export const wordsOf = (wanted) => wanted.text.toLocaleLowerCase().split(/\s+/).filter(Boolean);

/**
 * The fields.
 *
 * @param {object} wanted as `NONE`.
 * @param {(wanted: object) => void} changed
 */
export function filterFields(wanted, changed) {
  const fields = {};
  const names = h("datalist", { id: newId("albums") });
  let timer = 0;
  const told = () => {
    clearTimeout(timer);
    const now = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value.trim()]));
    changed({ ...NONE, ...now });
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(told, PATIENCE);
  };
  const input = (name, label, facts = {}) => {
    const id = newId(name);
    fields[name] = h("input", { id, type: "text", autocomplete: "off", spellcheck: "false", input: soon, ...facts });
    fields[name].value = wanted[name];
    return h("div.field", {}, h("label", { for: id }, label), fields[name]);
  };
  const state = newId("status");
  fields.status = h("select", { id: state, change: told }, h("option", { value: "" }, T.find.anyState),
    STATES.map((name) => h("option", { value: name, selected: name === wanted.status }, T.states[name])));
  const isNarrow = wanted.after || wanted.before || wanted.name || wanted.batch;
  const form = h("form.card.stack.filters", { role: "search", submit: (event) => {
    event.preventDefault();
    told();
  } },
  h("div.fields", {},
    input("text", T.find.text, { type: "search", "aria-describedby": "find-text" }),
    h("div.field", {}, h("label", { for: state }, T.find.state), fields.status),
    input("album", T.find.album, { list: names.id }), names),
  h("p.hint", { id: "find-text" }, T.find.textHint),
  h("details", { open: Boolean(isNarrow) }, h("summary", {}, T.find.more),
    h("div.fields", {}, input("after", T.find.after, { type: "date" }),
      input("before", T.find.before, { type: "date" }),
      input("name", T.find.name), input("value", T.find.value), input("batch", T.find.batch))));
  return { form, known: (albums) => fill(names, [...albums].map((album) => h("option", { value: album }))),
    setAlbum: (album) => {
      fields.album.value = album;
      told();
    } };
}
