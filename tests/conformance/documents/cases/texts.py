"""Cases of the document store suite: whatever text an import is stored with, it is found again by it."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lading.service.documents import DocumentStore
from lading.service.documents.search import Filter
from tests.conformance.documents.cases.base import DocumentStoreCases, SettableClock, add_all, make_import
from tests.conformance.documents.cases.records import make_record

ODD_TEXTS = (
    *("a", "A", "a ", " a", "a\t", "a\n", "á", "a\u0301", "ä", "a\u0308", "ß", "ss", "SS", "İ", "i\u0307", "ı", "ﬁ"),
    *(
        "$set",
        "$",
        "a.b",
        ".",
        "..",
        "a.$",
        "/",
        "\\",
        "'",
        '"',
        '\\"',
        "%",
        "_",
        "*",
        "?",
        "[a]",
        "{}",
        "[]",
        "--",
        ";",
    ),
    *("0", "00", "0.0", "-0", "1e3", "null", "true", "NaN", "__proto__", "constructor", "_id", "album_id"),
    *(
        "\x01",
        "\x7f",
        "\x85",
        "\u200b",
        "\u202eabc",
        "\u2028",
        "\ufeff",
        "\ufffd",
        "\ufffe",
        "\U0001f5bc",
        "\U0010ffff",
    ),
    *("a" * 255, "a" * 254 + "b", "\U0010ffff" * 63),
)


def random_texts(number: int = 60) -> Iterator[str]:
    """Texts of any characters but NUL and surrogates, which no request brings."""
    rng = random.Random(7)
    for _ in range(number):
        points = (
            rng.choice((rng.randrange(1, 0x300), rng.randrange(1, 0x110000))) for _ in range(rng.randrange(1, 20))
        )
        text = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        yield text or "x"


async def found_by(store: DocumentStore, **wanted: Any) -> list[str]:
    return [one.id for one in (await store.search.list(Filter("organization", **wanted), 100)).documents]


class TextCases(DocumentStoreCases):
    """What is stored is found again, exactly, and nothing else with it."""

    @pytest.mark.gen_test(timeout=60)
    async def test_every_odd_text_is_found_by_album_and_by_metadata(self) -> None:
        clock = SettableClock()
        texts = list(dict.fromkeys((*ODD_TEXTS, *random_texts())))
        documents = []
        for text in texts:
            metadata = {text: "value", "name": text, "nul\0": text[:100], "": ""}
            params = {"url": "http://origin.example/a.png", "album_id": text, "filename": text, "metadata": metadata}
            documents.append(make_import(clock, params=params))
        async with self.opened(clock) as store:
            await add_all(store, documents)
            for text, document in zip(texts, documents, strict=True):
                assert await store.get(document.id) == document, ascii(text)
                for wanted in (
                    {"albums": (text,)},
                    {"albums": (text, "no such album")},
                    {"metadata": (text, "value")},
                    {"metadata": ("name", text)},
                    {"metadata": ("name", text), "albums": (text,)},
                ):
                    assert await found_by(store, **wanted) == [document.id], ascii(text)
            same = [one.id for one, text in zip(documents, texts, strict=True) if text[:100] == "a" * 100]
            assert sorted(await found_by(store, metadata=("nul\0", "a" * 100))) == sorted(same)
            assert await found_by(store, metadata=("nul", "a" * 100)) == []

    @pytest.mark.gen_test
    async def test_every_odd_text_names_an_owner_and_a_record(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            records = [make_record(clock, text, owner=text, data={text: text}) for text in ODD_TEXTS]
            for record in records:
                await store.records.add(record, at_most=1)
            for record in records:
                assert await store.records.get("kind", record.id) == record
                assert await store.records.list("kind", record.owner, 10) == [record]
                assert await store.records.replace(replace(record, revision=1))
