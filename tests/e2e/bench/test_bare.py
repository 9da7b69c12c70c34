"""The reference of the section accept answers what the service answers."""

import asyncio
import json
from pathlib import Path

from tornado.httpclient import HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from bench.bare import Handler
from bench.wrk import BODY
from tests.support.servers.service import Client, running_service, token


async def answers(folder: Path) -> tuple[HTTPResponse, HTTPResponse]:
    """Of the service, and of the reference."""
    listening, port = bind_unused_port()
    bare = HTTPServer(Application([("/api/v1/imports", Handler)], log_function=lambda _: None))
    bare.add_sockets([listening])
    try:
        async with running_service(folder, LADING_WORKER__ENABLED="false") as service:
            bearer = {"Authorization": f"Bearer {token()}", "Content-Type": "application/x-www-form-urlencoded"}
            clients = [Client(service.url, token()), Client(f"http://127.0.0.1:{port}", token())]
            ours, theirs = [
                await client.fetch("/api/v1/imports", method="POST", body=BODY, headers=bearer) for client in clients
            ]
            return ours, theirs
    finally:
        bare.stop()
        await bare.close_all_connections()


def test_the_reference_of_accept_answers_the_same_bytes_but_for_ids_and_moments(tmp_path: Path) -> None:
    ours, theirs = asyncio.run(answers(tmp_path))
    assert (ours.code, theirs.code) == (200, 200)
    assert len(ours.body) == len(theirs.body)
    assert list(json.loads(ours.body)) == list(json.loads(theirs.body))
    assert json.loads(ours.body)["params"] == json.loads(theirs.body)["params"]
    assert sorted(ours.headers) == sorted(theirs.headers)
