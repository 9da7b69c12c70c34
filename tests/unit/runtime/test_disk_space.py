"""The space for spools: what a configuration may take up, and one word where that is more than there is."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from lading.service.config import Components, Settings
from lading.service.config.components import load_components
from lading.service.runtime import disk_space
from lading.service.storages.spool import Spools

MIB = 1024**2


@pytest.fixture(scope="module")
def components() -> Components:
    return load_components(Settings())


def with_options(section: str, **options: Any) -> Settings:
    usual = Settings()
    changed: dict[str, Any] = {section: getattr(usual, section).model_copy(update=options)}
    return replace(usual, **changed)


@pytest.mark.parametrize(
    ("settings", "receives", "mebibytes"),
    [
        (Settings(), True, 64 * 32 + 64 * 32),
        (Settings(), False, 64 * 32),
        (with_options("worker", enabled=False), True, 64 * 32),
        (with_options("worker", enabled=False), False, 64 * 32),
        (with_options("uploads", max_bytes=MIB), True, 64 * 32 + 64),
        (with_options("service", processes=3), True, 3 * (64 * 32 + 64 * 32)),
    ],
)
def test_every_spool_that_is_configured_counts(
    components: Components, settings: Settings, receives: bool, mebibytes: int
) -> None:
    assert disk_space.needed_bytes(settings, components, receives=receives) == mebibytes * MIB


@pytest.mark.gen_test
async def test_a_disk_that_may_not_do_is_told_once(
    components: Components, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [100 * MIB]
    with ThreadPoolExecutor(1) as executor:
        spools = Spools(0, tmp_path, executor)
        monkeypatch.setattr(Spools, "free_bytes", lambda _: free[0])
        with capture_logs() as logged:
            await disk_space.say_if_short(Settings(), components, spools, receives=True)
        (line,) = logged
        assert line["reason"] == "the spools may need 4096 MiB of disk, and 100 MiB are free"
        assert "spool_directory" in line["remedy"]
        free[0] = 4096 * MIB
        with capture_logs() as logged:
            await disk_space.say_if_short(Settings(), components, spools, receives=True)
        assert logged == []


@pytest.mark.gen_test
async def test_a_folder_that_is_missing_is_told(components: Components, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor, capture_logs() as logged:
        spools = Spools(0, tmp_path / "missing", executor)
        await disk_space.say_if_short(Settings(), components, spools, receives=True)
    assert "the folder for spools does not work" in logged[0]["reason"]
