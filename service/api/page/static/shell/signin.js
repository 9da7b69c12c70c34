// Signing in: the view of a page without a token, and the dialog over a page whose token is over.

import { session } from "../api/session.js";
import { dialog } from "../base/dialog.js";
import { fill, h, newId, say } from "../base/dom.js";
import { T } from "../texts.js";

/** Fill the place with the form. */
export function openSignIn(place) {
  const { form, field } = tokenForm();
  fill(place, h("section.card.narrow", {}, h("h1", {}, T.signIn.title), h("p.lead", {}, T.signIn.lead), form));
  field.focus();
  return () => {};
}

/** Ask for another token over the page, which stays as it is. */
export function askAgain(isOver) {
  const { form, field } = tokenForm();
  const leave = h("button.plain", { type: "button", click: () => session.leave() }, T.signIn.other);
  const title = isOver ? T.signIn.ended : T.signIn.refused;
  const box = dialog(title, [h("p", {}, isOver ? T.signIn.endedLead : T.signIn.refusedLead), form, leave], {
    stays: true,
    closed: () => stop.abort(),
  });
  const stop = new AbortController();
  for (const event of ["begun", "left"]) session.addEventListener(event, () => box.close(), { signal: stop.signal });
  field.focus();
}

function tokenForm() {
  const id = newId("token");
  const hint = newId("hint");
  const fault = h("p.fault", { id: newId("fault"), role: "alert" });
  const field = h("input", {
    id, type: "password", autocomplete: "off", spellcheck: "false", required: true,
    "aria-describedby": `${hint} ${fault.id}`,
  });
  const form = h("form.stack", {
    submit: (event) => {
      event.preventDefault();
      const isToken = session.begin(field.value);
      say(fault, isToken ? "" : T.signIn.invalid);
      field.setAttribute("aria-invalid", String(!isToken));
      if (isToken) field.value = "";
      else field.focus();
    },
  },
  h("label", { for: id }, T.signIn.label), field, h("p.hint", { id: hint }, T.signIn.hint), fault,
  h("div.row", {}, h("button.primary", { type: "submit" }, T.signIn.submit), h("p.hint", {}, T.signIn.kept)));
  return { form, field };
}
