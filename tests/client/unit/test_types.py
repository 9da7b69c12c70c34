"""What a type checker makes of both clients: mypy reads this module, pytest sees the kinds of the methods."""

import inspect
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import assert_type

from lading.client import AsyncClient, Client, Event, Import, Outcome, Webhook


def check_blocking(client: Client) -> None:
    assert_type(client.import_url("https://www.example.org/", album_id="a", wait=1.0), Import)
    assert_type(client.import_many(["https://www.example.org/"]), Generator[Outcome, None, None])
    assert_type(client.list_webhooks(), Sequence[Webhook])
    assert_type(client.read_image("x", start=1), bytes)
    client.import_url("https://www.example.org/", album="a")  # type: ignore[call-arg]
    client.wait(1)  # type: ignore[arg-type]


async def check_awaiting(client: AsyncClient) -> None:
    assert_type(await client.import_url("https://www.example.org/", dedupe="album"), Import)
    assert_type(client.events(import_id="x"), AsyncGenerator[Event, None])
    assert_type(await client.delete_image("x"), bool)
    await client.import_file(1)  # type: ignore[arg-type]


def test_each_method_is_of_its_kind() -> None:
    for name in ("import_url", "wait", "import_file", "download"):
        assert inspect.iscoroutinefunction(getattr(AsyncClient, name))
        assert not inspect.isgeneratorfunction(getattr(Client, name))
    for name in ("import_many", "events", "iter_imports", "iter_albums", "iter_content"):
        assert inspect.isasyncgenfunction(getattr(AsyncClient, name))
        assert inspect.isgeneratorfunction(getattr(Client, name))
    assert list(inspect.signature(Client.import_url).parameters)[:2] == ["self", "url"]
