/** Go to a view: `go("watch")`. The fragment of the address names it, so that the browser's own "back" works. */
export function go(name) {
  location.hash = name;
}
