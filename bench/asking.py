"""A request of Lading's API, or of a service that is asked alike, as the sections' clients send it."""

import http.client
import json
from collections.abc import Mapping
from urllib.parse import urlencode

from tests.support.servers.service import token


def form_of(url: str) -> str:
    """The body of a POST that imports a URL."""
    return urlencode({"album_id": "imported_album", "url": url})


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    form: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The document that a request is answered with.

    Raises:
        RuntimeError: it is answered with an error.
    """
    sent = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
    if form is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, form, sent)
    response = connection.getresponse()
    content = response.read()
    if response.status not in (200, 202):
        raise RuntimeError(f"{method} {path} was answered with {response.status}: {content[:500]!r}")
    document: dict[str, str] = json.loads(content)
    return document


TOKEN = token()
