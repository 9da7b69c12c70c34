/** Go to a view: `go("watch")`. The fragment of the address names it, so that the browser's own "back" works. */
export function go(name) {
  location.hash = name;
}

/** Give the view that is shown another address: it tells what is shown now. */
export function readdress(route) {
  history.replaceState(history.state, "", `#${route}`);
  dispatchEvent(new Event("readdressed"));
}
