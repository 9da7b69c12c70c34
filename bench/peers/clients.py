"""Clients of Lading and of its peers: so many threads with a connection each, which share a list of URLs."""

import http.client
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from bench.asking import ask, form_of

CLIENTS = 32
ASK_SECONDS = 0.02
"""Between two questions for an import that is not final."""
PATIENCE = 300.0


def by_all(port: int, urls: Sequence[str], work: Callable[[http.client.HTTPConnection, Sequence[str]], int]) -> int:
    """Let all clients work at once, each on its part of the URLs; the sum of what ``work`` returns."""

    def one(first: int) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            return work(connection, urls[first::CLIENTS])
        finally:
            connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(one, range(CLIENTS)))


def waiting(connection: http.client.HTTPConnection, urls: Sequence[str]) -> int:
    """Ask Lading to answer when the import is done; how many are."""
    documents = [ask(connection, "POST", "/api/v1/imports", form_of(url), {"Prefer": "wait=60"}) for url in urls]
    return sum(document["status"] == "done" for document in documents)


def asking(path: str) -> Callable[[http.client.HTTPConnection, Sequence[str]], int]:
    """Post every URL to the path, then ask for each import until it is final; how many are done."""

    def work(connection: http.client.HTTPConnection, urls: Sequence[str]) -> int:
        ids = [ask(connection, "POST", path, form_of(url))["id"] for url in urls]
        return sum(_final(connection, f"{path}/{import_id}") == "done" for import_id in ids)

    return work


def loading(connection: http.client.HTTPConnection, urls: Sequence[str]) -> int:
    """Ask Thumbor for every image as it is; how many it answers with."""
    count = 0
    for url in urls:
        connection.request("GET", f"/unsafe/{quote(url.removeprefix('http://'), safe='')}")
        response = connection.getresponse()
        count += bool(response.read()) and response.status == 200
    return count


def _final(connection: http.client.HTTPConnection, path: str) -> str:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        status = ask(connection, "GET", path)["status"]
        if status in ("done", "failed", "cancelled"):
            return status
        time.sleep(ASK_SECONDS)
    raise RuntimeError(f"{path} does not end")
