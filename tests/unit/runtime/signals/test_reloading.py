"""Reloads: which options are taken over, which need a restart, and that a fault changes nothing."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.plugins.errors import FetchError
from lading.service.config import SettingsError, load_all
from lading.service.runtime.signals.differences import Option, changed, values_of
from lading.service.runtime.signals.handlers import Wishes
from lading.service.runtime.signals.parts import Section
from lading.service.runtime.signals.reloading import Configuration, Reloading

SECRET = "a secret that no log may show, of 32 bytes"
ISSUER = f"[issuer.me]\norganization_id = o\nsecret = {SECRET}\n"


@dataclass
class Conf:
    """A configuration that changes."""

    path: Path
    text: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def read(self) -> Configuration:
        self.path.write_text(self.text, encoding="utf-8")
        return load_all(self.path, self.environ)


@pytest.fixture
def conf(tmp_path: Path) -> Conf:
    return Conf(tmp_path / "service.conf")


def differing(conf: Conf, before: str, after: str) -> list[str]:
    values = []
    for conf.text in (before, after):
        values.append(values_of(*conf.read()))
    return [str(option) for option in changed(*values)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", []),
        ("", "[service]\nport = 8080\n", []),
        ("", "[service]\nport = 1\nprocesses = 2\n", ["[service] port", "[service] processes"]),
        ("", "[documents.sqlite]\npath = x\n", ["[documents.sqlite] path"]),
        ("", ISSUER, ["[issuer.me]"]),
        (ISSUER, "", ["[issuer.me]"]),
        (ISSUER, ISSUER.replace("32 bytes", "33 bytes"), ["[issuer.me]"]),
        ("", "[fetch.http]\ndeny_hosts = a.example\n", ["[fetch.http] deny_hosts"]),
        ("[fetch.http]\ndeny_hosts = A.example , b.example\n", "[fetch.http]\ndeny_hosts = a.example,b.example\n", []),
        ("", "[fetch]\nplugins = http\n", ["[fetch] plugins"]),
        ("", "[detect.pillow]\nmax_frames = 3\n", ["[detect.pillow] max_frames"]),
        ("", "[storage]\nbackend = memory\n", ["[storage] backend"]),
    ],
)
def test_what_differs(conf: Conf, before: str, after: str, expected: list[str]) -> None:
    assert differing(conf, before, after) == expected


def test_a_storage_of_another_plugin_under_the_same_name_differs(conf: Conf) -> None:
    main = "[storage]\nbackend = mine\n[storage.mine]\nplugin = "
    assert "[storage.mine] plugin" in differing(conf, main + "local\npath = x\n", main + "memory\n")


@dataclass
class Failing:
    """A part that takes ``[limits]``, makes something ready, and may fail."""

    error: Exception | None = None
    events: list[str] = field(default_factory=list)

    def takes(self, options: Collection[Option], new: Configuration) -> Collection[Option]:
        return [option for option in options if option.section == "limits"]

    async def prepare(
        self, options: Collection[Option], new: Configuration, stack: AsyncExitStack
    ) -> Callable[[], None]:
        self.events.append("prepared")
        stack.callback(lambda: self.events.append("undone"))
        if self.error is not None:
            raise self.error
        return lambda: self.events.append("taken")


@pytest.mark.gen_test
async def test_what_is_taken_is_taken_once_and_the_rest_is_told_each_time(conf: Conf) -> None:
    reloading = Reloading(conf.read, conf.read())
    levels: list[str] = []
    parts: list[Any] = [Section("service", lambda new: levels.append(new.service.log_level), "log_level"), Failing()]
    conf.text = "[service]\nlog_level = debug\nport = 1\n[limits]\nissuer_requests = 7\n"
    with capture_logs() as lines:
        assert await reloading.once(parts)
        assert await reloading.once(parts)
        conf.text = "[service]\nlog_level = debug\n"
        assert await reloading.once(parts)
    assert levels == ["debug"]
    assert parts[1].events == ["prepared", "taken"] * 2
    told = [line["reloaded"] for line in lines if "reloaded" in line]
    assert told == [["[limits] issuer_requests", "[service] log_level"], [], ["[limits] issuer_requests"]]
    assert [line["options"] for line in lines if "options" in line] == [["[service] port"]] * 2


@pytest.mark.parametrize(
    "text", ["[service]\nport = x\n", "[servce]\n", "nonsense", ISSUER + "algorithm = none\n", "\0"]
)
@pytest.mark.gen_test
async def test_a_fault_changes_nothing_and_is_told_without_secrets(conf: Conf, text: str) -> None:
    reloading = Reloading(conf.read, conf.read())
    part = Failing()
    conf.text = "[limits]\nissuer_requests = 7\n" + text
    with pytest.raises(SettingsError):
        conf.read()
    with capture_logs() as lines:
        assert not await reloading.once([part])
    assert part.events == []
    (line,) = lines
    assert (line["event"], line["log_level"]) == (
        "the configuration is not reloaded; the running one stays",
        "error",
    )
    assert line["faults"]
    assert SECRET not in str(lines)


@pytest.mark.gen_test
async def test_one_part_that_fails_undoes_the_others_and_a_later_reload_takes_all(conf: Conf) -> None:
    good, bad = Failing(), Failing(FetchError("no name server"))
    reloading = Reloading(conf.read, conf.read())
    conf.text = "[limits]\nissuer_requests = 7\n"
    with capture_logs() as lines:
        assert not await reloading.once([good, bad])
    assert good.events == ["prepared", "undone"]
    assert "no name server" in str(lines[0]["faults"])
    bad.error = None
    assert await reloading.once([good, bad])
    assert good.events == ["prepared", "undone", "prepared", "taken"]


@pytest.mark.gen_test
async def test_wishes_are_followed_one_after_the_other(conf: Conf) -> None:
    wishes, reloaded = Wishes(), asyncio.Event()
    reloading = Reloading(conf.read, conf.read(), is_telling=False)
    with capture_logs() as lines:
        task = asyncio.create_task(reloading.run(wishes, [], reloaded.set))
        for conf.text in ("[service]\nport = 1\n", "[service]\nport = 2\n"):
            wishes.reload.set()
            await reloaded.wait()
            reloaded.clear()
        assert not wishes.reload.is_set()
        conf.text = "nonsense"
        wishes.reload.set()
        while not lines:
            await asyncio.sleep(0.01)
    assert not reloaded.is_set(), "it did not reload"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.gen_test
async def test_a_defect_ends_no_later_reload(conf: Conf) -> None:
    defects = [RuntimeError("a defect")]

    def read() -> Configuration:
        if defects:
            raise defects.pop()
        return conf.read()

    reloading = Reloading(read, conf.read())
    with capture_logs() as lines:
        assert not await reloading.once([])
        assert await reloading.once([])
    assert lines[0]["event"] == "a reload failed unexpectedly; the running configuration stays"
    assert lines[0]["log_level"] == "error"
