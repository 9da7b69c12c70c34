// The frame around the views: the header with the navigation, and the address, whose fragment names the view.

import { session } from "../api/session.js";
import { fill, h, say } from "../base/dom.js";
import { openRegion } from "../base/live.js";
import { T } from "../texts.js";
import { views } from "../views.js";
import { accountButton } from "./account.js";
import { openSignIn } from "./signin.js";

const main = h("main", { id: "main", tabindex: "-1" });
const links = h("ul");
const navigation = h("nav", { "aria-label": T.navigation }, links);
let close = () => {};
let shown = "";

/** Build the page, and show the view that the address names. */
export function openFrame() {
  const skip = h("button.skip", { type: "button", click: () => main.focus() }, T.skip);
  document.body.append(skip, h("header.top", {}, h("a.brand", { href: "#" }, mark(), T.name), navigation,
    accountButton()), main, openRegion());
  addEventListener("hashchange", () => show(true));
  addEventListener("readdressed", () => { shown = addressed().key; });
  for (const view of views) view.badge?.addEventListener("changed", showBadges);
  refresh();
}

/** Show everything again: the token is another one. */
export function refresh() {
  shown = "";
  show(false);
}

function allowed() {
  return session.rights === null ? [] : views.filter((view) => view.isAllowed(session.rights));
}

/** What the address names: "#find/<route>?<query>". */
function addressed() {
  const offered = allowed();
  const [path, ...more] = location.hash.slice(1).split("?");
  const [name, ...rest] = decode(path).split("/");
  const view = offered.find((one) => one.name === name) ?? offered[0];
  const isNamed = view?.name === name;
  const route = isNamed ? rest.join("/") : "";
  const query = new URLSearchParams(isNamed ? more.join("?") : "");
  return { offered, view, route, query, key: session.rights === null ? "sign in" : `${view?.name}/${route}?${query}` };
}

function show(isMove) {
  const { offered, view, route, query, key } = addressed();
  if (key === shown) return;
  shown = key;
  showLinks(offered, view);
  close();
  document.title = view ? `${view.title} · ${T.name}` : T.name;
  main.className = view?.name ?? "";
  if (session.rights === null) close = openSignIn(main);
  else if (!view) close = openNothing();
  else close = view.open(fill(main), route, query);
  if (isMove) {
    main.focus();
    scrollTo(0, 0);
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function openNothing() {
  fill(main, h("p.card", {}, T.views.none));
  return () => {};
}

function showLinks(offered, current) {
  navigation.hidden = offered.length === 0;
  fill(links, offered.map((view) => h("li", {}, h("a", {
    href: `#${view.name}`, "aria-current": view === current ? "page" : null, "data-view": view.name,
  }, view.title, h("span.badge")))));
  showBadges();
}

function showBadges() {
  for (const view of views.filter((one) => one.badge)) {
    const badge = links.querySelector(`[data-view="${view.name}"] .badge`);
    if (badge) say(badge, view.badge.text);
  }
}

function mark() {
  return h("img", { src: new URL("../icon.svg", import.meta.url).href, alt: "", width: 28, height: 28 });
}
