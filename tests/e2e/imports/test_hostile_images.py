"""Hostile images through the whole service: every import becomes final with a code, and storage holds images alone."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from lading.plugins.detectors.pillow.formats import CONTENT_TYPES
from lading.plugins.testing import images
from lading.plugins.testing.origin import Origin, answer
from tests.conftest import LONG
from tests.support.servers.service import Client, final, running_service, token

REFUSALS: Final = {
    "body_empty",
    "image_corrupt",
    "image_not_supported",
    "image_too_complex",
    "not_an_image",
    "format_not_allowed",
    "too_many_pixels",
    "side_too_long",
    "too_many_frames",
}
QUICK: Final = {
    "LADING_WORKER__POLL_INTERVAL": "0.05",
    # One attempt: what would be tried again is a fault here.
    "LADING_WORKER__ATTEMPTS": "1",
    "LADING_WORKER__PER_ISSUER": "64",
    "LADING_WORKER__PER_HOST": "64",
}


def hostile() -> Mapping[str, bytes]:
    """Some ninety files by name: damage to a sample of every kind, bombs, and what is no image.

    The short form of the tests has one in three.
    """
    files: dict[str, bytes] = {}
    for name, good in images.samples().items():
        pixels = good.data[: len(good.data) - good.tail]
        files |= {f"{name}-cut-{n}": data for n, data in enumerate(images.truncations(pixels, 1))}
        files |= {f"{name}-bit-{n}": data for n, data in enumerate(images.bit_flips(good.data, 1))}
    files |= {f"bomb-{name}": data for name, data in images.bombs().items()}
    files |= {f"foreign-{name}": data for name, (_, data) in images.FOREIGN.items()}
    files |= {f"none-{name}": data for name, data in images.NOT_IMAGES.items()}
    files |= {f"jpeg-{bits}-{kind:x}": images.jpeg_of_bits(bits, kind) for bits, kind in ((12, 0xC1), (8, 0xC3))}
    assert len(files) > 80
    return files if LONG else dict(list(files.items())[::3])


@pytest.mark.timeout(300)
@pytest.mark.gen_test(timeout=240)
async def test_all_are_final_and_coded_and_storage_holds_images_alone(tmp_path: Path) -> None:
    files = hostile()
    documents = await outcomes(tmp_path, files)
    for name, document in documents.items():
        if document["status"] == "done":
            assert document["image"]["content_type"] in CONTENT_TYPES[document["image"]["format"]], name
            assert document["image"]["sha256"] == hashlib.sha256(files[name]).hexdigest(), name
        else:
            assert document["status"] == "failed", name
            assert document["error"]["code"] in REFUSALS, (name, document["error"])
            assert document["error"]["retryable"] is False, name
    failed = {name for name, document in documents.items() if document["status"] == "failed"}
    assert {name for name in files if not name.count("-bit-")} == {name for name in failed if not name.count("-bit-")}
    stored = [hashlib.sha256(data).hexdigest() for data in stored_files(tmp_path)]
    assert sorted(stored) == sorted(
        document["image"]["sha256"] for document in documents.values() if document["status"] == "done"
    )


@pytest.mark.gen_test(timeout=60)
async def test_what_is_stored_has_the_type_of_its_bytes_whatever_else_it_may_be(tmp_path: Path) -> None:
    documents = await outcomes(tmp_path, images.POLYGLOTS, media_type="text/html")
    for name, document in documents.items():
        expected = name.partition("-")[0]
        assert document["status"] == "done", (name, document["error"])
        assert document["image"]["content_type"] == f"image/{expected}"
        assert document["image"]["format"] == expected.upper()


@pytest.mark.timeout(180)
@pytest.mark.gen_test(timeout=150)
async def test_an_image_that_spins_costs_its_own_import_alone(tmp_path: Path) -> None:
    spinning = images.slow_png(600_000)
    files = {f"good-{number}": images.jpeg(seed=number) for number in range(12)}
    limits = {"LADING_DETECT_PILLOW__CPU_LIMIT": "1", "LADING_DETECT_PILLOW__WALL_LIMIT": "100"}
    documents = await outcomes(tmp_path, {"spinning-0": spinning, **files, "spinning-1": spinning}, **limits)
    for name, document in documents.items():
        if name.startswith("good"):
            assert document["status"] == "done", document["error"]
        else:
            assert document["error"]["code"] == "image_too_complex"
            assert document["error"]["detail"] == "Decoding the image needs more CPU time than the limit allows."
    assert len(stored_files(tmp_path)) == len(files)


async def outcomes(
    folder: Path, files: Mapping[str, bytes], media_type: str = "image/png", **options: str
) -> dict[str, dict[str, Any]]:
    """The final document of the import of each file."""
    routes = {f"/{name}.png": answer(data, headers={"Content-Type": media_type}) for name, data in files.items()}
    async with Origin(routes) as origin, running_service(folder, None, **QUICK, **options) as service:
        client = Client(service.url, token())
        turns = asyncio.Semaphore(8)  # no more than Tornado's client has connections

        async def outcome(path: str) -> dict[str, Any]:
            async with turns:
                response = await client.post_json({"album_id": "imported_album", "url": origin.url(path)})
                assert response.code == 200, response.body
                return await final(client, json.loads(response.body)["id"])

        return dict(zip(files, await asyncio.gather(*map(outcome, routes)), strict=True))


def stored_files(folder: Path) -> list[bytes]:
    """What storage holds, file by file."""
    return [path.read_bytes() for path in (folder / "images").rglob("*") if path.is_file()]
