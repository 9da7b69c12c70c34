"""A receiver of Lading's webhooks, as small as one can be: it verifies, forgets repetitions, and answers quickly.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_... python webhook_receiver.py --port 9000

The secret is in the answer to ``POST /api/v1/webhooks``. Requests that are not signed with it are answered with 401; a
sender that is answered with anything but 2xx sends again. The same event may come more than once, always with the same
``webhook-id``. Real receivers put the event into a queue of their own, remember ids in a database, and answer then.
"""

import argparse
import contextlib
import json
import os
import sys
from collections import OrderedDict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

MAX_BODY_BYTES = 1024 * 1024
REMEMBERED = 10_000


class Receiver(BaseHTTPRequestHandler):
    """Answers one request after the other; ``webhook`` and ``seen`` are set below."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    webhook: Webhook
    seen: ClassVar[OrderedDict[str, None]] = OrderedDict()

    def do_POST(self) -> None:
        """Verify the event, and tell of it the first time it comes."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(length))
        try:
            event = self.webhook.verify(body, dict(self.headers))
        except (WebhookVerificationError, ValueError):
            self.answer(HTTPStatus.UNAUTHORIZED)
            return
        event_id = self.headers["webhook-id"]
        if event_id not in self.seen:
            self.seen[event_id] = None
            if len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
            print(json.dumps({"id": event_id, "type": event["type"], "data": event["data"]}), flush=True)
        self.answer(HTTPStatus.NO_CONTENT)

    def answer(self, status: HTTPStatus) -> None:
        """A status and no body."""
        self.send_response(status)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Standard output is for events alone."""


def main() -> None:
    """Receive until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Print the events that Lading sends.")
    parser.add_argument("--port", type=int, default=9000, help="listen here on loopback; 0 for any free port")
    port = parser.parse_args().port
    secret = os.environ.get("WEBHOOK_SECRET")
    if not secret:
        sys.exit("WEBHOOK_SECRET is not set: it is in the answer to POST /api/v1/webhooks")
    Receiver.webhook = Webhook(secret)
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
