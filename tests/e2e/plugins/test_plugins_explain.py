"""``lading plugins explain``: which plugins would serve a URL, and why."""

import os
from pathlib import Path

import pytest

from lading.service.cli.plugins.explain import redacted
from tests.support.plugins.distributions import FETCHER, Site
from tests.support.servers.processes import Finished, lading


def explain(folder: Path, url: str, *arguments: str, **environ: str) -> Finished:
    return lading("plugins", "explain", url, *arguments, cwd=folder, environ=environ)


def test_a_url_that_is_served(tmp_path: Path) -> None:
    done = explain(tmp_path, "https://example.org/ship.png?signature=hush#hush")
    assert (done.status, done.stderr) == (0, "")
    version = lading("--version", cwd=tmp_path).stdout.split()[-1]
    assert done.stdout.splitlines() == [
        "url        https://example.org/ship.png",
        f"fetcher    http (lading {version}), the configured fetcher that serves the scheme 'https'",
        "           accepts the url; only a fetch shows what is behind it",
        "detectors  Lading asks them in the order of [detect] plugins, once it has the bytes:",
        f"           1. pillow (lading {version})",
        "              the last detector: an image that it recognises goes to storage; its refusal is final",
        f"storage    local (lading {version}), as [storage] backend says",
    ]


def test_what_follows_each_answer_of_a_detector(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    detector = """
        from lading.plugins.contracts import TypeDetector

        class Probe(TypeDetector):
            contract_version = 1
            def __init__(self, options): ...
            async def detect(self, path): ...
            async def close(self): ...
    """
    site.install(detector, group="lading.detectors")
    environ = {"PYTHONPATH": str(site.folder), "LADING_DETECT__PLUGINS": "probe, pillow"}
    lines = explain(tmp_path, "data:,x", **environ).stdout.splitlines()
    first = lines.index("           1. probe (acme-probe 1.2)")
    assert "after not_an_image and after format_not_allowed Lading asks number 2" in lines[first + 1]
    assert "any other refusal is final" in lines[first + 2]
    assert lines[first + 3].startswith("           2. pillow (lading ")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://10.0.0.1/a.png", "refused: address_not_allowed: "),
        ("https://example.org:22/a.png", "refused: url_port_not_allowed: The url port 22 is not allowed."),
        ("ftp://example.org/a.png", "refused: url_scheme_not_allowed: The url scheme 'ftp' is not allowed."),
        ("example.org/a.png", "refused: url_scheme_missing: "),
        ("", "refused: url_scheme_missing: "),
        ("data:image/png", "refused: data_url_invalid: "),
    ],
)
def test_a_url_that_is_refused(url: str, says: str, tmp_path: Path) -> None:
    done = explain(tmp_path, url)
    assert (done.status, done.stderr) == (1, "")
    assert says in done.stdout
    assert "storage" not in done.stdout


def test_an_installed_fetcher_that_is_not_configured_is_named(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    site.install(FETCHER, group="lading.fetchers")
    site.install("1 / 0", group="lading.fetchers", name="broken", distribution="torso")
    environ = {"PYTHONPATH": str(site.folder)}
    done = explain(tmp_path, "probe:x", **environ)
    assert done.status == 1
    assert "configured: http serves http, https; data serves data" in done.stdout
    assert "installed: probe (acme-probe 1.2) serves probe" in done.stdout
    assert "[fetch] plugins = http, data, probe" in done.stdout
    configured = explain(tmp_path, "probe:x", **environ, LADING_FETCH__PLUGINS="http, data, probe")
    assert configured.status == 0
    assert "probe (acme-probe 1.2), the configured fetcher that serves the scheme 'probe'" in configured.stdout


def test_a_fault_of_a_fetchers_own_check_is_said_to_be_one(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.folder.mkdir()
    site.install(FETCHER.replace("source): ...", "source): 1 / 0", 1), group="lading.fetchers")
    environ = {"PYTHONPATH": str(site.folder), "LADING_FETCH__PLUGINS": "probe"}
    done = explain(tmp_path, "probe:x", **environ)
    assert (done.status, done.stderr) == (1, "")
    assert "refused: plugin_fault" in done.stdout
    assert "the plugin has a fault: check raised ZeroDivisionError" in done.stdout


def test_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    # Python's own audit of the process tells of every name that is looked up and every connection that is made.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def hook(event, arguments):\n"
        "    if event.startswith(('socket.getaddrinfo', 'socket.gethostby', 'socket.connect', 'socket.sendto')):\n"
        "        os.write(2, f'network: {event}'.encode())\n"
        "sys.addaudithook(hook)\n"
    )
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = explain(tmp_path, "https://example.org/ship.png", **environ)
    assert (done.status, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hush@Example.org:8443/a/b.png?hush#hush", "https://example.org:8443/a/b.png"),
        ("https://[::1]:80/a@b", "https:…"),
        ("https://example.org/a.png", "https://example.org/a.png"),
        (" https://BÜCHER.test\\a b?hush", "https://xn--bcher-kva.test/a%20b"),
        ("https://user:1/hush@example.org/a", "https:…"),
        ("https://user:pass/hush@example.org/a", "https:…"),
        ("https:/user:hush@example.org/a", "https:…"),
        ("https://user:hush@/a", "https:…"),
        ("user:hush@example.org/a", "user:…"),
        ("hush@example.org/a", "…"),
        ("data:image/png;base64,hush", "data:…"),
        ("https://[hush", "https:…"),
        ("", "…"),
        ("https://example.org/\x1b[2J", "https://example.org/%1B[2J"),
    ],
)
def test_of_a_url_only_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
