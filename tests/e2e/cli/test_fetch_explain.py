"""``lading fetch explain``: verdict, rule and hop for the operator, the neutral code for the client, and no secret."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.plugins.testing.origin import Behaviour, Origin, answer, origin_in_thread, raw, redirect
from tests.support.plugins.distributions import FETCHER, Site
from tests.support.servers.processes import Finished, lading

LOOPBACK = {"LADING_FETCH_HTTP__ALLOW_NETWORKS": "127.0.0.1/32", "LADING_FETCH_HTTP__PORTS": "1-65535"}
SECRET = "hush8e1f"


def explain(folder: Path, url: str, *arguments: str, **environ: str) -> Finished:
    done = lading("fetch", "explain", url, *arguments, cwd=folder, environ=environ)
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr == ""
    return done


def lines_of(done: Finished) -> list[str]:
    """The report without its first two lines, and without the space that aligns it."""
    return [" ".join(line.split()) for line in done.stdout.splitlines()[2:]]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with origin_in_thread(Origin()) as started:
        yield started


def test_verdicts_are_told_without_a_connection(origin: Origin, tmp_path: Path) -> None:
    done = explain(tmp_path, origin.url(f"/a.jpg?token={SECRET}#{SECRET}"), **LOOPBACK)
    assert done.status == 0
    version = lading("--version", cwd=tmp_path).stdout.split()[-1]
    url = f"http://127.0.0.1:{origin.port}/a.jpg"
    assert done.stdout.splitlines() == [
        f"url        {url}",
        f"fetcher    http (lading {version})",
        "user agent Lading",
        "storage    local, as [storage] backend says",
        f"hop 1      {url}",
        f"           allowed  port {origin.port}: ports 1-65535",
        "           allowed  host 127.0.0.1: no allow_hosts",
        "           allowed  address 127.0.0.1: allow_networks 127.0.0.1/32",
        "verdict    allowed so far; Lading did not ask the origin (use --follow)",
    ]
    assert origin.connections == 0


def test_what_an_import_would_use_is_told_by_name_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(
        f"origin.example organization:acme X-Api-Key: {SECRET}\norigin.example basic lading:{SECRET}\n"
    )
    (tmp_path / "service.conf").write_text(f"""
[fetch.http]
credentials = $file:credentials
user_agents = origin.example Acme/1.0
proxy = socks5://lading:{SECRET}@127.0.0.1:9
proxy_lookup = remote
[storage]
backend = local
others = press
mirror = local-2
[storage.press]
plugin = local
path = press
[storage.local-2]
plugin = local
path = second
[storage.route]
rules = organization:acme & album:press-*=press
""")
    config = ("--config", str(tmp_path / "service.conf"))
    acme = ("--organization", "acme", "--album", "press-1")

    def means(*arguments: str) -> list[str]:
        lines = lines_of(explain(tmp_path, f"https://origin.example/a?{SECRET}", *config, *arguments))
        return lines[: lines.index("hop 1 https://origin.example/a")]

    proxy = "proxy socks5://127.0.0.1:9, with its user name and password; it looks names up"
    basic = "credential Authorization, of [fetch.http] credentials"
    key = "credential X-Api-Key, of [fetch.http] credentials"
    second = "; a second copy in local-2"
    assert means(*acme) == ["user agent Acme/1.0", key, basic, proxy, f"storage press, by [storage.route]{second}"]
    assert means() == ["user agent Acme/1.0", basic, proxy, f"storage local, as [storage] backend says{second}"]


@pytest.mark.parametrize("follow", [(), ("--follow",)])
def test_a_refused_url_is_not_asked_for_even_to_follow_it(follow: tuple[str, ...], tmp_path: Path) -> None:
    listener = Origin(host="0.0.0.0")
    with origin_in_thread(listener):
        done = explain(
            tmp_path,
            f"http://localhost:{listener.port}/a?{SECRET}",
            *follow,
            **{
                **LOOPBACK,
                "LADING_FETCH_HTTP__ALLOW_NETWORKS": "",
            },
        )
        assert done.status == 1
        assert any(line.startswith("REFUSED address 127.0.0.1: loopback") for line in lines_of(done))
        assert lines_of(done)[-1] == "client address_not_allowed: The url leads to an address that is not allowed."
        assert "at hop 1" in lines_of(done)[-2]
    assert listener.connections == 0


def test_each_redirect_is_a_hop_with_its_own_verdicts(origin: Origin, tmp_path: Path) -> None:
    origin.routes = {
        "/a": redirect(f"/b?token={SECRET}"),
        "/b": redirect(f"http://10.0.0.1:8080/c?token={SECRET}"),
    }
    done = explain(tmp_path, origin.url(f"/a?{SECRET}"), "--follow", **LOOPBACK)
    assert done.status == 1
    base = f"http://127.0.0.1:{origin.port}"
    assert [line for line in lines_of(done) if line.startswith(("hop", "REF", "client", "allowed answer"))] == [
        f"hop 1 {base}/a",
        "allowed answer: status 302, a redirect",
        f"hop 2 {base}/b",
        "allowed answer: status 302, a redirect",
        "hop 3 http://10.0.0.1:8080/c",
        "REFUSED address 10.0.0.1: private use (RFC 1918)",
        "client address_not_allowed: The url leads to an address that is not allowed.",
    ]
    assert "at hop 3" in lines_of(done)[-2]
    assert len(origin.requests) == 2


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("ftp://127.0.0.1/b", "redirect_not_allowed"),
        (f"http://u:{SECRET}@127.0.0.1/", "redirect_not_allowed"),
        ("http://127.0.0.1.1/", "redirect_not_allowed"),
        ("/a", "too_many_redirects"),
        ("http://images.example/", "host_not_allowed"),
    ],
)
def test_where_redirects_end_the_client_reads_what_a_fetch_would_tell(
    location: str, told: str, origin: Origin, tmp_path: Path
) -> None:
    origin.routes = {"/a": redirect(location)}
    lists = {"LADING_FETCH_HTTP__DENY_HOSTS": ".example"}
    done = explain(tmp_path, origin.url("/a"), "--follow", **LOOPBACK, **lists)
    assert done.status == 1
    assert lines_of(done)[-1].startswith(f"client {told}: ")


@pytest.mark.parametrize(
    ("behaviour", "verdict", "status"),
    [
        (answer(b"image"), "verdict allowed; Lading did not check whether the body is an image", 0),
        (answer(b"", 404), "client origin_not_found: The origin has no such image (status 404).", 1),
        (raw(b"SSH-2.0\x1b[31m\r\n\r\n"), "client origin_protocol_error: ", 1),
    ],
)
def test_what_the_origin_answers(
    behaviour: Behaviour, verdict: str, status: int, origin: Origin, tmp_path: Path
) -> None:
    origin.routes = {"/a": behaviour}
    done = explain(tmp_path, origin.url("/a"), "--follow", **LOOPBACK)
    assert done.status == status
    assert lines_of(done)[-1].startswith(verdict)
    assert "\x1b" not in done.stdout


def test_a_closed_port_is_told_as_to_a_client(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = explain(tmp_path, f"http://127.0.0.1:{port}/?{SECRET}", "--follow", **LOOPBACK)
    assert done.status == 1
    assert lines_of(done)[-1].startswith("client connect_failed: ")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"http://user:{SECRET}@127.0.0.1/", "url_invalid"),
        (f"http://127.0.0.1.1/?{SECRET}", "url_invalid"),
        ("ftp://127.0.0.1/", "url_scheme_not_allowed"),
        ("127.0.0.1/a", "url_scheme_missing"),
        ("http://127.0.0.1:22/", "url_port_not_allowed"),
        ("data:image/png", "data_url_invalid"),
    ],
)
def test_what_is_refused_without_a_look(url: str, told: str, tmp_path: Path) -> None:
    done = explain(tmp_path, url)
    assert done.status == 1
    assert lines_of(done)[-1].startswith(f"client {told}: ")


def test_a_fetcher_that_cannot_explain_is_asked_whether_it_accepts(tmp_path: Path) -> None:
    assert lines_of(explain(tmp_path, "data:,x")) == [
        "storage local, as [storage] backend says",
        "verdict accepts the url; the fetcher cannot explain more",
    ]


def test_a_plugin_that_explains_badly_is_told_of(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    probe = FETCHER.replace("class Probe(Fetcher)", "class Probe(SupportsExplaining, Fetcher)")
    explaining = """
        async def explain(self, source, *, follow):
            yield Finding(1, source.url, "shelf\\x1b", True, "rule")
            yield "no finding"
    """
    site.install(
        "\n    from lading.plugins.capabilities import Finding, SupportsExplaining" + probe + explaining,
        group="lading.fetchers",
    )
    environ = {"PYTHONPATH": str(site.folder), "LADING_FETCH__PLUGINS": "probe"}
    done = explain(tmp_path, f"probe://host/x?{SECRET}", **environ)
    assert done.status == 1
    assert lines_of(done) == [
        "storage local, as [storage] backend says",
        "hop 1 probe://host/x",
        "allowed shelf\N{REPLACEMENT CHARACTER}: rule",
        "verdict refused at hop 1: explain gave str",
        "client plugin_fault: A component of the service failed unexpectedly.",
    ]
