// The views of the page, in their order. A view is
//
//   {name: "add", title: "Add", isAllowed(rights) -> boolean, open(place, route, query) -> close()}
//
// `name` is its part of the address (#add), `open` fills an element, and `close` stops what runs there. What follows the
// name in the address (#find/abc?album=a) is the `route`, and the `query` (URLSearchParams). `badge`, if there is one, is an EventTarget with a `text`: it sends
// "changed" when the text beside the title in the navigation is another one.

import { add } from "./add/view.js";
import { find } from "./gallery/view.js";
import { queue } from "./manage/queue.js";
import { webhooks } from "./manage/webhooks.js";
import { watch } from "./watch/view.js";

export const views = [add, watch, find, webhooks, queue];
