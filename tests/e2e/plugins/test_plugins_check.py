"""``lading plugins check``: suites of throw-away distributions, run by the real command in its real processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from lading.backends.memory import MemoryStorageOptions
from lading.plugins.host.registry import GROUPS, installed
from lading.service.cli.plugins import check_child
from lading.service.cli.plugins.check import Score
from lading.service.cli.plugins.command import until_stopped
from lading.service.cli.plugins.suites import GROUP, CheckRefused, subject
from tests.support.plugins.distributions import Site
from tests.support.servers.processes import LADING, Finished, lading, session_members, wait_until

CONFORMANCE = Path(__file__).parents[2] / "conformance"
DETECTOR = """
    import asyncio
    from pydantic import Field, SecretStr
    from lading.plugins.contracts import ImageInfo, TypeDetector
    from lading.plugins.options import PluginOptions

    class Options(PluginOptions):
        max_side: int = Field(10, ge=1, description="Longest side.")
        key: SecretStr = Field(SecretStr(""), description="A secret.")

    class Probe(TypeDetector):
        contract_version = 1
        Options = Options

        def __init__(self, options):
            self.options = options

        async def detect(self, path):
            return ImageInfo("PROBE", "image/x-probe", self.options.max_side, 1)

        async def close(self):
            pass
"""

SUITE = """
    import os
    import signal
    import time
    import pytest
    from pathlib import Path
    from {module} import Options, Probe
    from lading.plugins.testing.suite import Suite

    class Suites(Suite):
        optional = frozenset({{"colours"}})
        unsupported = {{"colours": "it is blind"}}

        def make(self):
            return self.made(Probe(self.configured or Options()))

        async def test_side(self):
            assert (await self.make().detect(Path("x"))).width == {width}

        @pytest.mark.parametrize("name", ["a::b", "c"])
        async def test_colours(self, name):
            self.require("colours")

        {case}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


def install(site: Site, *, case: str = "", width: int = 10, suite: str = SUITE, detector: str = DETECTOR) -> None:
    """A detector ``probe`` and its suite."""
    module = site.install(detector, group="lading.detectors")
    code = suite.format(module=module, width=width, case=case)
    site.install(code, group=GROUP, name="detect.probe", attribute="Suites", distribution="acme-suites")


def check(site: Site, *arguments: str, **environ: str) -> Finished:
    cwd = site.folder.parent
    return lading("plugins", "check", *arguments, cwd=cwd, environ={"PYTHONPATH": str(site.folder), **environ})


# --- the score card ---------------------------------------------------------------------------------------------------


def test_a_plugin_that_passes(site: Site) -> None:
    install(site)
    done = check(site, "probe")
    assert (done.status, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "plugin:  detector probe of acme-probe 1.2"
    assert lines[3] == "options: the defaults of [detect.probe]"
    rows = [line.split() for line in lines]
    assert ["GROUP", "CASES", "PASSED", "FAILED", "UNSUPPORTED"] in rows
    assert ["own", "3", "1", "-", "2"] in rows
    assert "  colours: it is blind (2 cases)" in lines
    assert lines[-1].startswith("passed: 3 cases in ")


def test_a_plugin_that_fails_is_told_what_was_asserted(site: Site) -> None:
    install(site, width=11)
    done = check(site, "probe")
    assert (done.status, done.stderr) == (1, "")
    assert "FAILED own: test_side\n    assert 10 == 11\n" in done.stdout.replace("AssertionError: ", "")
    assert done.stdout.splitlines()[-1].startswith("not passed: 1 of 3 cases in ")


def test_the_rules_of_the_kit_hold(site: Site) -> None:
    blocking = DETECTOR.replace("return ImageInfo", "open('/etc/passwd').close(); return ImageInfo")
    install(site, detector=blocking)
    done = check(site, "probe")
    assert done.status == 1
    assert "Probe blocks the event loop: open in Probe.detect" in done.stdout


def test_what_is_skipped_does_not_pass(site: Site) -> None:
    install(site, case="async def test_it(self): pytest.skip('no server')")
    done = check(site, "probe")
    assert done.status == 1
    assert "skipped, with unknown result:\n  no server (1 case)" in done.stdout


def test_the_options_of_service_conf_are_used_and_their_secrets_are_kept(site: Site) -> None:
    telling = "async def test_key(self): assert not self.configured.key.get_secret_value()"
    install(site, width=7, case=telling)
    conf = site.folder.parent / "service.conf"
    # Not configured: its section is used all the same.
    conf.write_text("[detect.probe]\nmax_side = 7\nkey = $env:PROBE_KEY\n", encoding="utf-8")
    done = check(site, "probe", "--config", "service.conf", PROBE_KEY="hush-hush-hush")
    assert done.status == 1
    assert "options: [detect.probe] max_side = 7, key = **********" in done.stdout
    assert "FAILED own: test_key" in done.stdout
    assert "FAILED own: test_side" not in done.stdout
    assert "hush" not in done.stdout + done.stderr


def test_a_storage_that_is_not_configured_takes_the_place_of_the_one_that_is(tmp_path: Path) -> None:
    about = subject("storage", "memory", None, {"LADING_STORAGE_LOCAL__PATH": str(tmp_path)})
    assert (about.plugin.name, about.written) == ("memory", ())
    configured = {"LADING_STORAGE__BACKEND": "memory", "LADING_STORAGE_MEMORY__MAX_TOTAL_BYTES": "5"}
    about = subject("storage", "memory", None, configured)
    assert about.written == ("max_total_bytes",)
    assert about.options == MemoryStorageOptions(max_total_bytes=5)


def test_settings_of_the_folder_and_the_environment_have_no_say(site: Site) -> None:
    install(site)
    (site.folder.parent / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    assert check(site, "probe", PYTEST_ADDOPTS="--no-such-option", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1").status == 0


def test_other_plugins_of_pytest_have_no_say_unless_the_suite_names_them(site: Site) -> None:
    fixture = """
        import pytest

        @pytest.fixture
        def colour():
            return "red"
    """
    site.install("raise SystemExit('nobody asked for it')", group="pytest11", distribution="acme-rival")
    named = site.install(fixture, group="acme.fixtures", distribution="acme-fixtures")
    suite = f"    pytest_plugins = [{named!r}]\n{SUITE}"
    install(site, suite=suite, case="async def test_colour(self, colour): assert colour == 'red'")
    done = check(site, "probe")
    assert (done.status, done.stderr) == (0, "")
    assert "passed: 4 cases in " in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "plugin"), [("fetcher", "data"), pytest.param("storage", "memory", marks=pytest.mark.long_form)]
)
def test_a_built_in_plugin_passes(kind: str, plugin: str, tmp_path: Path) -> None:
    """Two whose suites are quick; tests/conformance runs those of all."""
    command = [*LADING, "plugins", "check", plugin, "--kind", kind]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_built_in_plugin_has_a_suite_that_is_run_by_the_tests() -> None:
    built_in = {f"{kind}.{one.name}": one for kind in GROUPS for one in installed(kind) if one.distribution == "lading"}
    suites = {point.name: point.load() for point in entry_points(group=GROUP)}
    assert built_in.keys() <= suites.keys()
    text = "".join(path.read_text(encoding="utf-8") for path in CONFORMANCE.rglob("test_*.py"))
    assert [name for name in built_in if suites[name].__name__ not in text] == []


# --- what cannot be run -----------------------------------------------------------------------------------------------


def refusal(done: Finished) -> str:
    """The one message of a command that could not do its work."""
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert len(re.findall("^Error: ", done.stderr, flags=re.MULTILINE)) == 1
    return done.stderr


def test_a_plugin_that_is_not_installed(site: Site) -> None:
    message = refusal(check(site, "locl"))
    assert "did you mean 'local'?" in message
    assert "installed: clamav, data, gcs, http, local" in message


def test_a_plugin_without_a_suite(site: Site) -> None:
    site.install(DETECTOR, group="lading.detectors")
    message = refusal(check(site, "probe"))
    assert "acme-probe 1.2 has no suite for 'probe'" in message
    assert "'detect.probe' in the group lading.suites" in message


def test_a_name_of_several_kinds(site: Site) -> None:
    install(site)
    site.install("", group="lading.storages", distribution="rival")
    assert "--kind detector or --kind storage" in refusal(check(site, "probe"))
    assert check(site, "probe", "--kind", "detector").status == 0


def test_a_broken_plugin(site: Site) -> None:
    site.install("raise RuntimeError('half installed')", group="lading.detectors")
    assert "RuntimeError: half installed" in refusal(check(site, "probe"))


def test_wrong_options(site: Site) -> None:
    install(site)
    (site.folder.parent / "service.conf").write_text("[detect.probe]\nmax_sid = 7\n", encoding="utf-8")
    assert "did you mean 'max_side'?" in refusal(check(site, "probe", "--config", "service.conf"))


def test_without_pytest_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        monkeypatch.setenv(name, "")  # which the process of a suite removes; here they are put back
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(CheckRefused, match=r"pip install 'lading\[testing\]'"):
        check_child._pytest()


def test_modules_beside_the_plugin_take_no_other_place(site: Site) -> None:
    install(site)
    for name in ("pytest", "json", "asyncio"):
        (site.folder / f"{name}.py").write_text("raise SystemExit('this is not what was meant')\n", encoding="utf-8")
    done = check(site, "probe")
    assert done.status == 0, done.stdout + done.stderr


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("suite", "says"),
    [
        ("raise RuntimeError('no suite today')", "RuntimeError: no suite today"),
        ("class Suites: ...", "not a class derived from a suite of lading.plugins.testing"),
        (
            "from lading.plugins.testing import TypeDetectorSuite\nclass Suites(TypeDetectorSuite): ...",
            "lacks make_detector, refused, samples",
        ),
        (
            (
                "from lading.plugins.testing import TypeDetectorSuite as T\n"
                "class Suites(T):\n    def test_bombs(self): ..."
            ),
            "overrides test_bombs",
        ),
    ],
    ids=["raises", "no suite", "abstract", "overrides"],
)
def test_a_suite_that_is_none(site: Site, suite: str, says: str) -> None:
    install(site, suite=suite)
    message = refusal(check(site, "probe"))
    assert says in message
    assert len(message.splitlines()) == 1


def test_a_suite_of_another_class_proves_nothing(site: Site) -> None:
    install(site, case="async def test_other(self): self.made(type('Other', (), {})())")
    done = check(site, "probe")
    assert done.status == 1
    assert re.search(r"the suite tests another class, \S+:Other$", done.stdout, re.MULTILINE)


def test_a_suite_that_takes_its_process_with_it(site: Site) -> None:
    install(site, case="async def test_it(self): os._exit(3)")
    assert "died with status 3, in test_it, with 3 of 4 cases done" in refusal(check(site, "probe"))


def test_a_suite_without_end_is_ended(site: Site) -> None:
    install(site, case="async def test_it(self): time.sleep(1000)")
    # The case is to have begun by then, also on a busy machine, where the start of pytest takes seconds.
    assert "ended the suite after 15 s, in test_it" in refusal(check(site, "probe", "--timeout", "15"))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_command(site: Site, number: int, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    install(site, case=f"async def test_it(self): Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(1000)")
    environ = {**os.environ, "PYTHONPATH": str(site.folder), "TMPDIR": str(tmp_path), "PYTHONASYNCIODEBUG": ""}
    with subprocess.Popen(
        # Where the tests run in the background of a shell, they ignore SIGINT, and would hand that down.
        ["env", "--default-signal=INT", sys.executable, "-P", "-m", "lading", "plugins", "check", "probe"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: pid.exists() and bool(pid.read_text()))
        process.send_signal(number)
        printed = process.communicate(timeout=30)[1]
    wait_until(lambda: not session_members(int(pid.read_text())))
    assert process.returncode == (-number if number == signal.SIGKILL else 1)
    if number != signal.SIGKILL:
        assert printed.strip() == "Aborted!"
        assert list(tmp_path.glob("lading-check-*")) == []


@pytest.mark.gen_test(timeout=30)
async def test_a_second_sigterm_lets_the_first_one_finish() -> None:
    loop, signalled, ends = asyncio.get_running_loop(), asyncio.Event(), []

    async def run() -> Score:
        try:
            await asyncio.Event().wait()
        finally:
            signal.raise_signal(signal.SIGTERM)
            loop.call_later(0.05, signalled.set)
            await signalled.wait()
            ends.append("cleaned up")
        raise AssertionError("it was not cancelled")

    loop.call_soon(signal.raise_signal, signal.SIGTERM)
    try:
        with pytest.raises(click.Abort):
            await until_stopped(run())
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    assert ends == ["cleaned up"]
