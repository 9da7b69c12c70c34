"""A page of another origin in a real browser: it imports and reads the answer where it is allowed, and only there."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.e2e.clients.test_docs_page import FLAGS, browser
from tests.support.servers.service import Client, running_service, token

PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>page</title><pre id="out"></pre><script>
async function main() {
  const headers = {'Authorization': 'Bearer TOKEN', 'Content-Type': 'application/json', 'Idempotency-Key': 'page'};
  const body = JSON.stringify({album_id: 'imported_album', url: 'http://127.0.0.1:9/a.jpg'});
  const posted = await fetch('SERVICE/api/v1/imports', {method: 'POST', headers, body});
  const document = await posted.json();
  const again = await fetch('SERVICE/api/v1/imports', {method: 'POST', headers, body});
  const refused = await fetch('SERVICE/api/v1/imports', {headers: {'Authorization': 'Bearer none'}});
  const source = new EventSource('SERVICE/api/v1/imports/' + document.id + '/events?access_token=TOKEN');
  const state = await new Promise((resolve, reject) => {
    source.addEventListener('state', (event) => resolve(JSON.parse(event.data).status));
    source.addEventListener('error', reject);
  });
  source.close();
  return {
    id: document.id, location: posted.headers.get('Location'), token: posted.headers.get('X-token'),
    replayed: again.headers.get('Idempotent-Replayed'), refused: (await refused.json()).code, state,
  };
}
main().then((told) => told, (error) => ({error: String(error)})).then((told) => {
  document.getElementById('out').textContent = '<<' + JSON.stringify(told) + '>>';
});
</script>
"""


class PageHandler(RequestHandler):
    """The page."""

    def initialize(self, texts: list[str]) -> None:
        self.texts = texts

    def get(self) -> None:
        self.write(self.texts[0])


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.gen_test(timeout=120)
async def test_a_page_of_another_origin(tmp_path: Path, allowed: bool) -> None:
    program = browser()
    texts: list[str] = []
    sockets = bind_sockets(0, "127.0.0.1")
    origin = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    server = HTTPServer(Application([("/", PageHandler, {"texts": texts})]))
    server.add_sockets(sockets)
    origins = {"LADING_SERVICE__ALLOW_ORIGINS": origin if allowed else "http://127.0.0.1:1"}
    try:
        async with running_service(tmp_path, None, LADING_WORKER__ENABLED="false", **origins) as service:
            credentials = token(admin=True)
            texts.append(PAGE.replace("SERVICE", service.url).replace("TOKEN", credentials))
            command = [program, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"{origin}/"]
            done = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, timeout=100, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
            told = json.loads(done.stdout.partition("&lt;&lt;")[2].partition("&gt;&gt;")[0])
            if allowed:
                client = Client(service.url, credentials)
                assert (await client.document(told["id"]))["status"] == "queued"
                assert told["location"] == f"/api/v1/imports/{told['id']}"
                assert (told["replayed"], told["refused"], told["state"]) == ("true", "unauthorized", "queued")
                assert told["token"] is None, "what a page sends it knows"
            else:
                assert told == {"error": "TypeError: Failed to fetch"}
                listed = await Client(service.url, credentials).fetch("/api/v1/imports")
                assert json.loads(listed.body) == {"imports": []}, "the browser did not even send it"
    finally:
        server.stop()
        await server.close_all_connections()
