"""``POST /api/v1/imports``: bodies, parameters and their echo."""

import base64
import json
import random
from typing import Any
from urllib.parse import urlencode

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import OriginNotFound
from lading.plugins.host.guards import GuardedFetcher
from lading.service.imports import accept
from lading.service.models import Status
from tests.api.conftest import Assembled
from tests.support.servers.service import OTHER_ISSUER, Client, token

URL = "http://origin.example/a.jpg"
ROUTE = {"controller": "api/v1/imports", "action": "create"}


def params_of(body: bytes) -> dict[str, Any]:
    params: dict[str, Any] = json.loads(body)["params"]
    return params


def problem(body: bytes) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(body)
    return parsed


@pytest.mark.gen_test
async def test_form_json_multipart_and_query_say_the_same(client: Client) -> None:
    form = await client.post(f"album_id=imported_album&metadata[a][]=1&metadata[a][]=2&url={URL}")
    as_json = await client.post_json({"album_id": "imported_album", "metadata": {"a": ["1", "2"]}, "url": URL})
    fields = [("album_id", "imported_album"), ("metadata[a][]", "1"), ("metadata[a][]", "2"), ("url", URL)]
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields)
    multipart = await client.post(parts + "--b--\r\n", "multipart/form-data; boundary=b")
    query = await client.fetch(
        f"/api/v1/imports?album_id=imported_album&metadata[a][]=1&metadata[a][]=2&url={URL}", method="POST", body=b""
    )
    for response in (form, as_json, multipart, query):
        assert response.code == 200, response.body
        expected = {"album_id": "imported_album", "metadata": {"a": ["1", "2"]}, "url": URL, **ROUTE}
        assert params_of(response.body) == expected
        assert list(params_of(response.body)) == list(expected)


@pytest.mark.gen_test
async def test_the_query_is_merged_over_the_body_and_what_is_authorised_is_what_is_stored(
    client: Client, assembled: Assembled
) -> None:
    response = await client.fetch(
        "/api/v1/imports?album_id=secret_album",
        method="POST",
        body=f"album_id=imported_album&url={URL}",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.code == 403
    assert problem(response.body)["code"] == "forbidden"
    assert await assembled.parts.store.unfinished(10) == 0


@pytest.mark.gen_test
async def test_a_client_cannot_set_controller_and_action(client: Client) -> None:
    response = await client.post(f"action=x&album_id=imported_album&controller[a]=y&url={URL}")
    assert response.body.decode().count('"controller"') == 1
    assert params_of(response.body) == {"album_id": "imported_album", "url": URL, **ROUTE}


@pytest.mark.gen_test
async def test_params_come_back_as_sent_whatever_they_hold(client: Client) -> None:
    sent = {
        "z": 1,
        "album_id": "imported_album",
        "metadata": {"": "", "$gt": {"a.b": None}, "\u202e\x00": [1.5, True, {"é": "😀</script>\u2028"}]},
        "tags": ["a", None],
        "filename": "../../\x01/etc/pässwd",
        "url": URL,
    }
    response = await client.post_json(sent)
    assert response.code == 200, response.body
    assert list(params_of(response.body).items()) == list((sent | ROUTE).items())
    found = await client.document(json.loads(response.body)["id"])
    assert found["params"] == sent | ROUTE


@pytest.mark.gen_test
async def test_the_existing_clients_parameters_are_accepted(client: Client) -> None:
    response = await client.post_json(
        {"album_id": "imported_album", "import_type": "url", "url": URL, "metadatas": {"k": "v"}, "tags": ["t"]}
    )
    assert response.code == 200
    assert json.loads(response.body)["import_type"] is None, "null until the import ran"


@pytest.mark.gen_test
async def test_a_url_as_it_is_pasted_comes_back_as_sent_and_is_of_the_host_that_is_fetched(
    client: Client, assembled: Assembled
) -> None:
    url = "\u00a0 http://B\u00dcCHER.test/my photo.jpg\r\n"
    response = await client.post_json({"album_id": "imported_album", "url": url})
    assert params_of(response.body) == {"album_id": "imported_album", "url": url, **ROUTE}
    found = await assembled.parts.store.get(json.loads(response.body)["id"])
    assert found is not None
    assert (found.url, found.host) == (url, "xn--bcher-kva.test")


@pytest.mark.one_store
@pytest.mark.gen_test(timeout=30)
async def test_a_data_url_of_the_longest_image_is_accepted_with_a_token_in_every_kind_of_body(
    client: Client, base_url: str
) -> None:
    url = "data:image/png;base64," + base64.b64encode(random.Random(1).randbytes(1024**2)).decode()
    form = urlencode({"album_id": "imported_album", "url": url})
    multipart = (
        '--b\r\nContent-Disposition: form-data; name="album_id"\r\n\r\nimported_album\r\n'
        f'--b\r\nContent-Disposition: form-data; name="url"\r\n\r\n{url}\r\n--b--\r\n'
    )
    for response in (
        await client.post_json({"album_id": "imported_album", "url": url}),
        await client.post(form),
        await client.post(multipart, "multipart/form-data; boundary=b"),
    ):
        assert response.code == 200, response.body[:300]
        assert params_of(response.body)["url"] == url
    assert problem((await Client(base_url, "none").post(form)).body)["code"] == "unauthorized"
    too_long = problem((await client.post("a" * (256 * 1024 + 2 * 1024**2 + 1))).body)
    assert (too_long["code"], str(256 * 1024 + 2 * 1024**2) in too_long["detail"]) == ("request_body_too_large", True)


@pytest.mark.gen_test
async def test_without_a_url_the_import_waits_for_its_bytes(client: Client, assembled: Assembled) -> None:
    response = await client.post("album_id=imported_album")
    document = await client.document(json.loads(response.body)["id"])
    assert document["status"] == "waiting"
    assert assembled.accepted == []


SIGNED = "http://host.example/a.jpg?w=1&X-Amz-Signature=s3cr3t&x=2"
FILTERED = "http://host.example/a.jpg?w=1&X-Amz-Signature=[FILTERED]&x=2"


@pytest.mark.gen_test
async def test_secrets_are_sent_back_once_and_then_no_more(client: Client, assembled: Assembled) -> None:
    headers = {"Authorization": "Bearer s3cr3t", "Cookie": "a=s3cr3t"}
    sent = {"headers": headers, "album_id": "imported_album", "url": SIGNED}
    response = await client.post_json(sent)
    assert list(params_of(response.body).items()) == list((sent | ROUTE).items())
    import_id = json.loads(response.body)["id"]
    found = await client.fetch(f"/api/v1/imports/{import_id}")
    assert b"s3cr3t" not in found.body
    shown = {**sent, "headers": dict.fromkeys(headers, "[FILTERED]"), "url": FILTERED}
    assert list(params_of(found.body).items()) == list((shown | ROUTE).items())
    stored = await assembled.parts.store.get(import_id)
    assert stored is not None
    assert "s3cr3t" not in str(stored.params)
    source = assembled.parts.vault.sources(stored)[0]
    assert (source.url, source.headers) == (SIGNED, headers)


@pytest.mark.gen_test
async def test_the_fetcher_is_asked_for_the_organization_the_issuer_and_the_album(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Source] = {}

    def check(_fetcher: GuardedFetcher, source: Source) -> None:
        asked["check"] = source

    def fetch(_fetcher: GuardedFetcher, source: Source) -> None:
        asked["open"] = source
        raise OriginNotFound("not there", status=404)

    monkeypatch.setattr(GuardedFetcher, "check", check)
    monkeypatch.setattr(GuardedFetcher, "open", fetch)
    sent = {"album_id": "imported_album", "url": "http://8.8.8.8/a.jpg"}  # needs no look-up, and is not asked
    document = json.loads((await client.post_json(sent)).body)
    stored = await assembled.parts.store.get(document["id"])
    assert stored is not None
    whose = (stored.organization_id, stored.issuer_id, "imported_album")
    assert whose_of(asked.pop("check")) == whose
    headers = {"Content-Type": "application/json"}
    await client.fetch("/api/v1/imports/preflight", method="POST", body=json.dumps(sent), headers=headers)
    assert [whose_of(source) for source in (asked["check"], asked["open"])] == [whose, whose]


def whose_of(source: Source) -> tuple[str | None, ...]:
    return source.organization_id, source.issuer_id, source.album_id


@pytest.mark.gen_test
async def test_headers_without_a_url_are_for_nothing_and_not_kept(client: Client, assembled: Assembled) -> None:
    response = await client.post_json({"album_id": "imported_album", "headers": {"Authorization": "s3cr3t"}})
    assert params_of(response.body)["headers"] == {"Authorization": "s3cr3t"}
    stored = await assembled.parts.store.get(json.loads(response.body)["id"])
    assert stored is not None
    assert (stored.sealed, stored.params["headers"]) == (None, {"Authorization": "[FILTERED]"})


@pytest.mark.gen_test
async def test_what_holds_no_secret_is_kept_as_it_is(client: Client, assembled: Assembled) -> None:
    sent = {"album_id": "imported_album", "url": URL + "?w=1&author=x", "headers": {}}
    response = await client.post_json(sent)
    stored = await assembled.parts.store.get(json.loads(response.body)["id"])
    assert stored is not None
    assert (stored.sealed, stored.params) == (None, sent | ROUTE)


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_password_in_a_refused_url_is_not_repeated(client: Client) -> None:
    response = await client.post_json({"album_id": "imported_album", "url": "http://me:s3cr3t@host.example/"})
    assert response.code == 422
    assert b"s3cr3t" not in response.body


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "json_invalid"),
        (b"[]", "application/json", 400, "json_not_an_object"),
        (b'{"a":1,"a":2}', "application/json", 400, "json_duplicate_key"),
        (b'{"a":NaN}', "application/json", 400, "json_number_invalid"),
        (b"[" * 5000, "application/json", 400, "params_too_deep"),
        (b"a" + b"[b]" * 40 + b"=1", "application/x-www-form-urlencoded", 400, "params_too_deep"),
        (b"a=1&" * 5000, "application/x-www-form-urlencoded", 400, "params_too_many"),
        (b"a=1&a[b]=2", "application/x-www-form-urlencoded", 400, "params_conflict"),
        (b"a=%ff", "application/x-www-form-urlencoded", 400, "params_invalid_encoding"),
        (b"a=%zz", "application/x-www-form-urlencoded", 400, "params_invalid_encoding"),
        (b'{"url": "http://example.com/?a=b&c=d"}', "application/x-www-form-urlencoded", 415, "json_sent_as_form"),
        (b"x", "multipart/form-data; boundary=b", 400, "multipart_invalid"),
        (b"x", "multipart/form-data", 400, "multipart_invalid"),
        (b"<a/>", "application/xml", 415, "unsupported_media_type"),
        (b"a=1", "application/x-www-form-urlencoded; charset=iso-8859-1", 415, "unsupported_media_type"),
        (b"a" * (256 * 1024 + 2 * 1024**2 + 1), "application/x-www-form-urlencoded", 413, "request_body_too_large"),
        (b"url=example.com/a.jpg", "application/x-www-form-urlencoded", 422, "url_scheme_missing"),
        (b"url=example.com:8080/a.jpg", "application/x-www-form-urlencoded", 422, "url_scheme_missing"),
        (b"url=ftp://example.com/a.jpg", "application/x-www-form-urlencoded", 422, "url_scheme_not_allowed"),
        (b"url=file:///etc/passwd", "application/x-www-form-urlencoded", 422, "url_scheme_not_allowed"),
        (b"url=http://10.0.0.1/a.jpg", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://169.254.169.254/", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://[::ffff:10.0.0.1]/", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://167772161/", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://%EF%BC%91%EF%BC%90.0.0.1/", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://%2531%2530.0.0.1/", "application/x-www-form-urlencoded", 422, "address_not_allowed"),
        (b"url=http://exa+mple.com/", "application/x-www-form-urlencoded", 422, "url_invalid"),
        (b"url=", "application/x-www-form-urlencoded", 422, "parameter_invalid"),
        (b"url=+%0A", "application/x-www-form-urlencoded", 422, "parameter_invalid"),
        (b'{"url": ""}', "application/json", 422, "parameter_invalid"),
        (b"url=http://u:p@example.com/", "application/x-www-form-urlencoded", 422, "url_invalid"),
        (b'{"album_id": 7}', "application/json", 422, "parameter_invalid"),
        (b'{"album_id": "a\\u0000"}', "application/json", 422, "parameter_invalid"),
        (b'{"filename": "\\u0000.png"}', "application/json", 422, "parameter_invalid"),
        (b"album_id=a%00b", "application/x-www-form-urlencoded", 422, "parameter_invalid"),
        (b"filename=a%00.png", "application/x-www-form-urlencoded", 422, "parameter_invalid"),
        (b'{"album_id": "\\ud800"}', "application/json", 400, "params_invalid_encoding"),
        (b'{"metadata": {"\\udc00": "a"}}', "application/json", 400, "params_invalid_encoding"),
        (b"album_id=%ed%a0%80", "application/x-www-form-urlencoded", 400, "params_invalid_encoding"),
        (b'{"url": [1]}', "application/json", 422, "parameter_invalid"),
        (b'{"metadata": "x"}', "application/json", 422, "parameter_invalid"),
        (b'{"headers": {"a": 1}}', "application/json", 422, "parameter_invalid"),
        (b'{"import_type": "ftp"}', "application/json", 422, "parameter_invalid"),
        (b"headers[Host]=x&url=http://example.com/", "application/x-www-form-urlencoded", 422, "header_not_allowed"),
        (b"filename=" + b"x" * 256, "application/x-www-form-urlencoded", 422, "parameter_invalid"),
        (b"metadata[a]=" + b"x" * 16400, "application/x-www-form-urlencoded", 422, "parameter_invalid"),
    ],
)
@pytest.mark.one_store
@pytest.mark.gen_test
async def test_bad_input_has_its_own_code(
    client: Client, assembled: Assembled, body: bytes, content_type: str, status: int, code: str
) -> None:
    response = await client.post(body, content_type)
    assert response.code == status, response.body
    assert response.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    answer = problem(response.body)
    assert answer["code"] == code
    assert answer["status"] == status
    assert answer["title"]
    assert answer["request_id"] == response.headers["X-Request-Id"]
    assert await assembled.parts.store.unfinished(10) == 0


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_a_body_without_a_type_is_a_form(client: Client) -> None:
    response = await client.post(f"album_id=imported_album&url={URL}", "")
    assert params_of(response.body) == {"album_id": "imported_album", "url": URL, **ROUTE}


@pytest.mark.one_store
@pytest.mark.gen_test
async def test_an_error_names_the_parameter(client: Client) -> None:
    refused = problem((await client.post_json({"metadata": []})).body)
    assert refused["parameter"] == "metadata"
    assert "metadata" in refused["detail"]
    assert problem((await client.post("url=http://10.0.0.1/")).body)["parameter"] == "url"
    assert problem((await client.post("a[b]=1&a=2&a[]=3")).body)["parameter"] == "a[]"


@pytest.mark.gen_test
async def test_an_issuer_that_fills_the_backlog_gets_503_and_leaves_room_to_others(
    client: Client, assembled: Assembled, base_url: str, clock: Any
) -> None:
    assembled.resources.imports.imports.backlog._limit = 6
    for _ in range(3):
        assert (await client.post(f"album_id=imported_album&url={URL}")).code == 200
    response = await client.post(f"album_id=imported_album&url={URL}")
    assert response.code == 503
    assert problem(response.body)["code"] == "backlog_full"
    assert int(response.headers["Retry-After"]) > 0
    guest = Client(base_url, token(clock, issuer=OTHER_ISSUER))
    assert (await guest.post(f"album_id=imported_album&url={URL}")).code == 200


@pytest.mark.gen_test
async def test_an_unavailable_database_is_503_with_retry_after(client: Client, assembled: Assembled) -> None:
    await assembled.parts.store.close()
    response = await client.post(f"album_id=imported_album&url={URL}")
    assert response.code == 503
    assert problem(response.body)["code"] == "documents_unavailable"
    assert response.headers["Retry-After"]


@pytest.mark.gen_test
async def test_an_admin_token_may_use_every_album(client: Client, base_url: str, clock: Any) -> None:
    admin = Client(base_url, token(clock, admin=True, album="x", abilities=()))
    for body in (f"album_id=any&url={URL}", f"url={URL}"):
        document = await admin.document(json.loads((await admin.post(body)).body)["id"])
        assert document["status"] == Status.QUEUED


@pytest.mark.gen_test
async def test_without_an_album_any_album_with_the_ability_grants(client: Client, base_url: str, clock: Any) -> None:
    assert (await client.post(f"url={URL}")).code == 200
    other = Client(base_url, token(clock, abilities=("image_list",)))
    assert (await other.post(f"url={URL}")).code == 403


@pytest.mark.gen_test
async def test_a_post_waits_for_its_turn_for_a_bounded_time(
    client: Client, assembled: Assembled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each turn before it may last until the timeout of a database that is away."""
    monkeypatch.setattr(accept, "TURN_SECONDS", 0.01)
    turns = assembled.resources.imports.imports.turns
    taken = [turns.take_now(f"issuer {number}") for number in range(accept.AT_ONCE)]
    body = f"album_id=imported_album&url={URL}"
    refused = await client.post(body)
    assert (refused.code, json.loads(refused.body)["code"]) == (503, "documents_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert turns.occupancy.waiting == 0
    for give_back in taken:
        assert give_back is not None
        give_back()
    assert (await client.post(body)).code == 200
    assert turns.taken == 0
