// Makes elements. Every child that is no node becomes text: nothing that a person or an origin wrote is read as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 *
 * @param {string} name of the element, with its classes: "p.note.quiet".
 * @param {object} [facts] attributes. A function is a listener, true an empty attribute; null, undefined and false
 *     leave the attribute out.
 * @param {...(Node|string|number|null|Array)} children
 */
export function h(name, facts = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  return filled(element, facts, children);
}

/** The same for SVG. */
export function s(name, facts = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS(SVG, tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  return filled(element, facts, children);
}

function filled(element, facts, children) {
  for (const [key, value] of Object.entries(facts)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false && one !== "")
    .map((one) => (one instanceof Node ? one : document.createTextNode(String(one))));
}

/** Give an element other children. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

/** Set the text of an element, if it is another one: a screen reader need not hear the same text again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let last = 0;

/** An id that no other element has. */
export function newId(prefix = "e") {
  last += 1;
  return `${prefix}${last}`;
}

/** A link to a URL that a person or an origin wrote: text alone, unless it leads to a website. */
export function linkTo(url, text = url) {
  return /^https?:\/\//i.test(url)
    ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer", referrerpolicy: "no-referrer" }, text)
    : h("span", {}, text);
}
