"""Headers of the operator's: which hosts get them, for whom, and that nobody else ever sees them."""

import base64

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import OriginNotFound
from lading.plugins.fetchers.http.credentials import Credential, OperatorHeaders, parse_credentials
from lading.plugins.fetchers.http.options import HttpOptions
from lading.plugins.host.record import tracing
from lading.plugins.host.validation import OptionsRejected, validate_options
from lading.plugins.net.hosts import HostPattern
from lading.plugins.net.urls import parse_http_url
from lading.plugins.testing.origin import Origin, answer, redirect
from tests.unit.plugins.fetchers.support import SECRET, everything_logged, http_fetcher


def key(host: str, port: int = 443, scheme: str = "https", organization: str | None = None) -> Credential:
    pattern = HostPattern(host.removeprefix("."), host.startswith("."))
    return Credential(scheme, pattern, port, organization, "X-Api-Key", "k: 1")


@pytest.mark.parametrize(
    ("line", "credential"),
    [
        ("images.example.org X-Api-Key: k: 1", key("images.example.org")),
        ("  Images.Example.org   X-Api-Key:k: 1 ", key("images.example.org")),
        ("https://.example.org/ X-Api-Key: k: 1", key(".example.org")),
        ("example.org:8443 X-Api-Key: k: 1", key("example.org", 8443)),
        ("http://example.org X-Api-Key: k: 1", key("example.org", 80, "http")),
        ("http://example.org:8000 organization:acme X-Api-Key: k: 1", key("example.org", 8000, "http", "acme")),
    ],
)
def test_lines(line: str, credential: Credential) -> None:
    assert parse_credentials(f"\n{line}\r\n\n") == (credential,)
    assert "k: 1" not in repr(credential)


def test_basic_credentials() -> None:
    (one,) = parse_credentials("example.org basic Aladdin:open: sésame")
    assert (one.name, one.value) == (
        "Authorization",
        f"Basic {base64.b64encode('Aladdin:open: sésame'.encode()).decode()}",
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (SECRET, "ends in neither"),
        (f"X-Api-Key: {SECRET}", "begins with no host"),
        (f"ftp://example.org X-Api-Key: {SECRET}", "begins with no host"),
        (f"user:{SECRET}@example.org X-Key: a", "begins with no host"),
        (f"127.0.0.1 X-Api-Key: {SECRET}", "begins with no host"),
        (f"example.org:0 X-Api-Key: {SECRET}", "has a port that is not within 1-65535"),
        (f"example.org:65536 X-Api-Key: {SECRET}", "has a port that is not within 1-65535"),
        (f"example.org organisation:acme X-Api-Key: {SECRET}", "has the header 'organisation'"),
        (f"example.org Organization:acme X-Api-Key: {SECRET}", "has the header 'Organization'"),
        (f"example.org organization: X-Api-Key: {SECRET}", "has no id after organization:"),
        (f"example.org basic {SECRET}", "has no user:password after basic"),
        (f"example.org basic :{SECRET}", "has no user:password after basic"),
        (f"example.org Host: {SECRET}", "names a header that no fetch may set"),
        (f"example.org Proxy-Authorization: {SECRET}", "names a header that no fetch may set"),
        (f"example.org X Y: {SECRET}", "names a header that no fetch may set"),
        (f"example.org X-Key: {SECRET}é", "names a header that no fetch may set"),
        (f"example.org Referer: {SECRET}", "names a header that redirects carry to other hosts"),
        (f"example.org User-Agent: {SECRET}", "names a header that redirects carry to other hosts"),
    ],
)
def test_a_fault_names_its_line_and_repeats_no_secret(line: str, fault: str) -> None:
    with pytest.raises(OptionsRejected) as caught:
        validate_options(HttpOptions, {"credentials": f"a.example X-Key: {SECRET}\n{line}"})
    (told,) = caught.value.faults
    assert (told.option, fault in told.problem, "line 2" in told.problem) == ("credentials", True, True)
    assert SECRET not in everything_logged(caught.value)


def test_options_show_no_credentials() -> None:
    options = HttpOptions.model_validate({"credentials": f"a.example X-Key: {SECRET}"})
    assert SECRET not in repr(options) + str(options.model_dump())


FIRST = """
    .example.org organization:acme X-Api-Key: of acme
    .example.org X-Api-Key: of all
    images.example.org Authorization: Bearer b
    http://plain.example.org X-Api-Key: plain
"""


@pytest.mark.parametrize(
    ("url", "organization", "sent"),
    [
        ("https://example.org/a", "acme", {"X-Api-Key": "of acme"}),
        ("https://images.example.org/a", "other", {"X-Api-Key": "of all", "Authorization": "Bearer b"}),
        ("https://images.example.org/a", None, {"X-Api-Key": "of all", "Authorization": "Bearer b"}),
        ("https://images.example.org:8443/a", "acme", {}),
        ("http://images.example.org/a", "acme", {}),
        ("http://plain.example.org/a", "acme", {"X-Api-Key": "plain"}),
        ("https://example.org.evil.test/a", "acme", {}),
        ("https://notexample.org/a", "acme", {}),
    ],
)
def test_which_requests_have_which_headers(url: str, organization: str | None, sent: dict[str, str]) -> None:
    own = OperatorHeaders(parse_credentials(FIRST), (), "Lading")
    source = Source(url, {"Accept": "image/*"}, organization_id=organization)
    assert own.with_credentials(parse_http_url(url), source) == {"Accept": "image/*", **sent}
    mine = Source(url, {"x-api-key": "mine"}, organization_id=organization)
    expected = {name: value for name, value in sent.items() if name != "X-Api-Key"}
    assert own.with_credentials(parse_http_url(url), mine) == {"x-api-key": "mine", **expected}


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.gen_test
async def test_they_go_to_their_origin_and_no_redirect_carries_them_elsewhere(explain: bool) -> None:
    async with Origin(name="a.test") as first, Origin(name="b.test") as second:
        first.routes = {"/a": redirect("/b"), "/b": redirect(second.url("/c")), "/e": answer(b"image")}
        second.routes = {"/c": redirect(second.url("/d")), "/d": redirect(first.url("/e"))}
        lines = [f"http://{one._name}:{one.port} organization:acme X-Key: {SECRET}" for one in (first, second)]
        options = {"credentials": "\n".join(lines), "user_agents": ".b.test Bot/2 (+https://b.test/bot)"}
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",), **options) as fetcher:
            with tracing(explain=explain) as trace:
                async with fetcher.open(Source(first.url("/a"), organization_id="acme")) as fetched:
                    assert [chunk async for chunk in fetched.chunks] == [b"image"]
            assert [one.headers.get("x-key") for one in first.requests] == [SECRET, SECRET, None]
            assert [one.headers.get("x-key") for one in second.requests] == [None, None]
            assert [one.headers["user-agent"] for one in (*first.requests, *second.requests)] == [
                *["Lading"] * 3,
                *["Bot/2 (+https://b.test/bot)"] * 2,
            ]
            assert SECRET not in repr(trace.findings) + repr(trace.redirects) + repr(trace.phases)
            async with fetcher.open(Source(first.url("/e"), {"User-Agent": "mine"}, organization_id="other")):
                pass
            assert (first.requests[-1].headers.get("x-key"), first.requests[-1].headers["user-agent"]) == (None, "mine")


@pytest.mark.gen_test
async def test_no_error_shows_them_and_no_webhook_has_them() -> None:
    async with Origin({"/a": answer(b"", 404), "/hook": answer()}, name="a.test") as origin:
        credentials = f"http://a.test:{origin.port} X-Key: {SECRET}"
        async with http_fetcher(lookup=lambda _: ("127.0.0.1",), credentials=credentials) as fetcher:
            with pytest.raises(OriginNotFound) as caught:
                async with fetcher.open(Source(origin.url("/a"))):
                    pass
            assert origin.requests[-1].headers["x-key"] == SECRET
            assert SECRET not in everything_logged(caught.value)
            await fetcher.post(origin.url("/hook"), {}, b"{}", timeout=10)
            assert "x-key" not in origin.requests[-1].headers


def test_user_agents() -> None:
    options = HttpOptions.model_validate({"user_agents": "\n a.example  A/1, or so\n .example B/1", "user_agent": "C"})
    own = options.operator_headers()
    agents = [own.agent_for(parse_http_url(f"http://{host}/")) for host in ("a.example", "b.a.example", "c.test")]
    assert agents == ["A/1, or so", "B/1", "C"]
    for line, fault in (("a.example", "line 1 has no User-Agent"), ("a/b X", "is neither a host name")):
        with pytest.raises(OptionsRejected, match=fault):
            validate_options(HttpOptions, {"user_agents": line})
