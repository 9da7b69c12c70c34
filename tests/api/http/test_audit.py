"""Clients' changes are in the audit log, with their request and without their secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from lading.service.observe.audit.file import audit_file
from tests.api.conftest import Assembled
from tests.support.clock import SettableClock
from tests.support.images import noise, path_of, stored_in
from tests.support.servers.service import ISSUER, Client, token

WEBHOOKS = "/api/v1/webhooks"
ENDPOINT = {"url": "http://127.0.0.1:1/hook"}


@pytest.mark.usefixtures("uploads_prepared")
@pytest.mark.gen_test
async def test_every_change_by_a_client_is_told_once(
    client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path
) -> None:
    manager = Client(client.base, token(clock, admin=True))
    images = [await stored_in(assembled.parts, noise(100, seed)) for seed in range(2)]
    secrets: list[str] = []

    async def ask(method: str, path: str, request_id: str, body: Any = None, who: Client = manager) -> Any:
        headers = {"X-Request-Id": request_id, **({} if body is None else {"Content-Type": "application/json"})}
        content = {"body": json.dumps(body or {})} if method in ("POST", "PATCH") else {}
        response = await who.fetch(path, method=method, headers=headers, **content)
        found = json.loads(response.body) if response.body else {}
        secrets.extend([found["secret"]] if "secret" in found else [])
        return found

    with audit_file(tmp_path / "audit"):
        endpoint = f"{WEBHOOKS}/{(await ask('POST', WEBHOOKS, 'r1', ENDPOINT))['id']}"
        await ask("PATCH", endpoint, "r2", {"enabled": False})
        await ask("POST", f"{endpoint}/rotate", "r3")
        await ask("GET", endpoint, "r4")
        await ask("DELETE", endpoint, "r5")
        await ask("POST", f"{WEBHOOKS}/secret/rotate", "r6")
        await ask("DELETE", path_of(images[0]), "r7")
        await ask("DELETE", f"/api/v1/imports/{images[1].document.id}", "r8")
        await ask("DELETE", f"/api/v1/imports/{images[1].document.id}", "r9")
        await ask("DELETE", path_of(images[0]), "r10", who=client)
        await ask("DELETE", path_of(images[0]), "r11", who=Client(client.base, "no token"))
    text = (tmp_path / "audit").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    endpoint_id = {"endpoint_id": endpoint.rpartition("/")[2]}
    image_id = {"image_id": images[0].document.image_id}
    import_id = {"import_id": images[1].document.id}
    assert [(one["request_id"], one["event"], one["object"], one.get("code", one["outcome"])) for one in found] == [
        ("r1", "webhook.created", endpoint_id, "done"),
        ("r2", "webhook.changed", endpoint_id, "done"),
        ("r3", "webhook.rotated", endpoint_id, "done"),
        ("r5", "webhook.deleted", endpoint_id, "done"),
        ("r6", "webhook_secret.rotated", {}, "done"),
        ("r7", "image.deleted", image_id, "done"),
        ("r8", "import.deleted", import_id, "done"),
        ("r9", "import.deleted", import_id, "not_found"),
        ("r10", "image.deleted", image_id, "forbidden"),
    ]
    assert all(one["actor"] == {"kind": "client", "issuer_id": ISSUER} for one in found)
    assert len(secrets) == 3
    assert not [one for one in (*secrets, manager.token, client.token) if one in text]
