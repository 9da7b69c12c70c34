"""``/api/v1/images/{id}/thumbnail``: who may see a thumbnail, what it is, and what becomes of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.errors import (
    DeadlineExceeded,
    DetectorCrashed,
    DetectorStalled,
    FormatNotAllowed,
    ImageCorrupt,
    ImageTooComplex,
    NotAnImage,
    PluginError,
    PluginFault,
    TooManyPixels,
)
from lading.service.api.http.cors import Cors
from lading.service.config import load_all
from lading.service.images.thumbnails.thumbnails import places_for_thumbnails
from lading.service.runtime.api_wiring import make_resources
from lading.service.runtime.wiring import open_parts
from tests.api.conftest import Assembled
from tests.api.images.makers import WEBP, Maker, allowed, kept_in, opened, stored, use
from tests.support.clock import SettableClock
from tests.support.images import code_of, path_of
from tests.support.servers.service import ISSUER, OTHER_ISSUER, Client, environment

pytestmark = [pytest.mark.one_store]


@pytest.mark.gen_test
async def test_sizes_types_and_headers(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    path = path_of(await stored(assembled), "/thumbnail")
    client = allowed(client, clock, "see")
    for query, size in [("?size=small", (160, 80)), ("?size=medium", (480, 240)), ("?size=large", (600, 300))]:
        response = await client.fetch(path + query, headers=WEBP)
        image = opened(response)
        assert (image.format, image.size, image.mode, dict(image.info)) == ("WEBP", size, "RGB", image.info)
        assert response.headers["Content-Type"] == "image/webp"
        assert response.headers["Cache-Control"] == "private, max-age=3600, immutable"
        assert set(response.headers["Vary"].replace(" ", "").split(",")) == {"Authorization", "Accept"}
        assert "X-token" not in response.headers
        head = await client.fetch(path + query, headers=WEBP, method="HEAD")
        assert (head.code, head.body) == (200, b"")
        for name in ("Content-Length", "ETag", "Content-Type"):
            assert head.headers[name] == response.headers[name]
        known = {**WEBP, "If-None-Match": response.headers["ETag"]}
        same = await client.fetch(path + query, headers=known)
        assert (same.code, same.body, same.headers["ETag"]) == (304, b"", response.headers["ETag"])
        assert "Content-Type" not in same.headers
        other = await client.fetch(path + query, headers={"If-None-Match": response.headers["ETag"]})
        assert (opened(other).format, other.headers["Content-Type"]) == ("JPEG", "image/jpeg")
        changed = await client.fetch(path + query, headers={"If-Match": '"another"'})
        assert (changed.code, code_of(changed.body)) == (412, "precondition_failed")
    assert opened(await client.fetch(path)).size == (480, 240)


@pytest.mark.gen_test
async def test_parameters(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    path = path_of(await stored(assembled), "/thumbnail")
    client = allowed(client, clock, "see")
    for query, parameter in [
        ("?size=huge", "size"),
        ("?size=", "size"),
        ("?size[]=small", "size"),
        ("?sise=s", "sise"),
    ]:
        response = await client.fetch(path + query)
        body = json.loads(response.body)
        assert (response.code, body["code"], body["parameter"]) == (422, "parameter_invalid", parameter)


@pytest.mark.gen_test
async def test_abilities(client: Client, assembled: Assembled, clock: SettableClock, tmp_path: Path) -> None:
    path = path_of(await stored(assembled), "/thumbnail")
    assert (await allowed(client, clock, "see").fetch(path)).code == 200  # from now on, it is kept
    cases: list[tuple[str, str, dict[str, Any], int]] = [
        ("see", "imported_album", {}, 200),
        ("image_list", "imported_album", {}, 200),
        ("image_download", "imported_album", {}, 200),
        ("image_upload", "another_album", {"admin": True}, 200),
        ("image_upload", "imported_album", {}, 403),
        ("image_delete", "imported_album", {}, 403),
        ("see", "another_album", {}, 403),
        ("see", "imported_album", {"issuer": OTHER_ISSUER}, 404),
    ]
    for ability, album, facts, code in cases:
        response = await allowed(client, clock, ability, album=album, **facts).fetch(path)
        assert response.code == code, (ability, album, facts)
    assert (await replace(client, token="none").fetch(path)).code == 401
    assert (await client.fetch("/api/v1/images/unknown/thumbnail")).code == 404
    assert len(kept_in(tmp_path)) == 1


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_every_failure_has_its_answer(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    client = allowed(client, clock, "see")
    path = path_of(await stored(assembled), "/thumbnail")
    cases: list[tuple[PluginError, int, str, str | None]] = [
        (DetectorStalled(), 503, "thumbnail_unavailable", "10"),
        (DetectorCrashed(), 503, "thumbnail_unavailable", "10"),
        (DeadlineExceeded(), 503, "thumbnail_unavailable", "10"),
        (ImageCorrupt("secret"), 422, "image_corrupt", None),
        (ImageTooComplex(resource="memory"), 422, "image_too_complex", None),
        (TooManyPixels(limit=1), 422, "too_many_pixels", None),
        (FormatNotAllowed(format="TIFF"), 422, "format_not_allowed", None),
        (PluginFault("secret"), 500, "internal_error", None),
    ]
    for fault, status, code, retry_after in cases:
        use(assembled, Maker(fault))
        response = await client.fetch(path)
        assert (response.code, code_of(response.body)) == (status, code)
        assert response.headers.get("Retry-After") == retry_after
        assert b"secret" not in response.body
    # Another detector may have recognised the image, and its refusal counts then.
    use(assembled, Maker(NotAnImage()), Maker(FormatNotAllowed(format="TIFF")), Maker())
    assert (await client.fetch(path)).code == 200
    use(assembled, Maker(FormatNotAllowed(format="TIFF")), Maker(NotAnImage()))
    lost = path_of(await stored(assembled, b"no image"), "/thumbnail")
    response = await client.fetch(lost)
    assert (response.code, code_of(response.body)) == (422, "format_not_allowed")


@pytest.mark.gen_test
async def test_a_size_that_costs_too_much_leaves_the_others(
    client: Client, assembled: Assembled, clock: SettableClock
) -> None:
    maker = Maker(ImageTooComplex(resource="memory"))
    use(assembled, maker)
    path = path_of(await stored(assembled), "/thumbnail?size=")
    client = allowed(client, clock, "see")
    for _ in range(2):
        assert (await client.fetch(f"{path}large")).code == 422
    assert maker.calls == 1, "the refusal is remembered"
    maker.fault = None
    assert (await client.fetch(f"{path}small")).code == 200


@pytest.mark.gen_test
async def test_without_a_maker_there_are_none(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    object.__setattr__(assembled.resources.images, "thumbnails", None)
    path = path_of(await stored(assembled), "/thumbnail")
    response = await allowed(client, clock, "see").fetch(path)
    assert (response.code, code_of(response.body)) == (404, "thumbnails_off")
    assert (await allowed(client, clock, "image_upload").fetch(path)).code == 403


@pytest.mark.gen_test
async def test_an_issuer_leaves_room(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    thumbnails = use(assembled, Maker(), places=places_for_thumbnails(4))
    path = path_of(await stored(assembled), "/thumbnail")
    client = allowed(client, clock, "see")
    with thumbnails.places.one(ISSUER), thumbnails.places.one(ISSUER):
        response = await client.fetch(path)
        assert (response.code, code_of(response.body)) == (503, "too_many_thumbnails")
        assert response.headers["Retry-After"] == "2"
        with thumbnails.places.one(OTHER_ISSUER):
            pass
    assert (await client.fetch(path)).code == 200


@pytest.mark.gen_test
async def test_they_are_off_by_the_option_and_without_a_detector_that_makes_them(
    assembled: Assembled, tmp_path: Path, clock: SettableClock
) -> None:
    assert (
        make_resources(
            replace(assembled.parts, plugins=replace(assembled.parts.plugins, detectors=())), lambda: None
        ).images.thumbnails
        is None
    )
    conf = tmp_path / "service.conf"
    environ = environment(tmp_path, LADING_DOCUMENTS__BACKEND="memory", LADING_THUMBNAILS__ENABLED="false")
    async with open_parts(*load_all(conf, environ), clock) as parts:
        assert make_resources(parts, lambda: None).images.thumbnails is None


@pytest.mark.gen_test
async def test_a_page_of_another_origin_may_read_it(client: Client, assembled: Assembled, clock: SettableClock) -> None:
    object.__setattr__(assembled.resources.common, "cors", Cors(("https://app.example.org",)))
    path = path_of(await stored(assembled), "/thumbnail")
    use(assembled, Maker())
    response = await allowed(client, clock, "see").fetch(path, headers={"Origin": "https://app.example.org"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    varies = {name.strip() for field in response.headers.get_list("Vary") for name in field.split(",")}
    assert varies == {"Authorization", "Accept", "Origin"}
