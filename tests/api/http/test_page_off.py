"""A service that serves no page. ``tests/page`` has the rest of it, in a browser."""

from typing import Any

import pytest

from lading.service.api.page.files import page_files
from tests.support.servers.service import Client

pytestmark = pytest.mark.one_store


@pytest.fixture
def api_changes() -> dict[str, Any]:
    return {"page.enabled": False}


@pytest.mark.gen_test
async def test_neither_the_page_nor_its_files_are_there(client: Client) -> None:
    for path in ("/", f"/page/{page_files().version}/main.js"):
        assert (await client.fetch(path, headers={"Accept": "text/html"})).code == 404
