"""The Azure storage passes the suite of storages as it is, and each hurried mistake in it is found."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.errors import PluginError
from lading.plugins.testing import StorageBackendSuite, leaks
from lading.plugins.testing.storage import troubles
from lading.plugins.testing.suite import run_case
from tests.kit.azure import hurried
from tests.kit.azure.harness import AzureHarness, emulator
from tests.kit.azure.storage import AzureStorage


@pytest.mark.long_form
class TestAzure(AzureHarness, StorageBackendSuite):
    """The whole suite."""


@dataclass(frozen=True)
class Mistake:
    """A mistake, the case that finds it, and words of its message."""

    storage: type[AzureStorage]
    case: str
    arguments: tuple[object, ...]
    says: str

    def __str__(self) -> str:
        return f"{self.storage.__name__}-{self.case}"


MISSING = "a key without an object"
MISTAKES = [
    Mistake(hurried.HoldsTheWholeBody, "test_memory_is_bounded", (), "MiB of memory"),
    Mistake(hurried.CallsTheSdkOnTheLoop, "test_ping_again_and_at_once", (), "blocks the event loop"),
    Mistake(hurried.ForgetsTheContentType, "test_the_content_type_is_kept", (), "instead of 'image/jpeg'"),
    Mistake(hurried.Overwrites, "test_a_second_save_changes_nothing", (10,), "ObjectExists"),
    Mistake(hurried.MissesWhatItDeletes, "test_delete_is_idempotent", (), f"delete of {MISSING} raises"),
    Mistake(hurried.ListsOnePage, "test_many_objects_are_listed_each_once", (), "are not listed"),
    Mistake(hurried.SendsTheFilenameAsItIs, "test_the_filename_is_data", ("a\r\nb: c",), "file name"),
    Mistake(hurried.ShowsWhatItHas, "test_invisible_while_it_is_written", (), "visible"),
    Mistake(
        hurried.RaisesTheBase,
        "test_open_of_a_missing_object",
        ("missing",),
        f"exists of {MISSING}: StorageError",
    ),
    Mistake(hurried.TellsTheConnectionString, "test_no_secret_is_told", (), "tells a secret option"),
    Mistake(hurried.ShowsItsKey, "test_no_secret_is_told", (), "the repr of the backend tells a secret option"),
    Mistake(hurried.KeepsItsClient, "test_delete", (), "left behind after close"),
    Mistake(hurried.HasNoDeadline, "test_a_place_that_never_answers", (), "set a deadline for each request"),
    Mistake(hurried.CleansUpAfterALostAnswer, "test_a_save_whose_answer_is_lost", (100,), "removes its object"),
    Mistake(hurried.LeavesItsSpool, "test_no_temporary_file_is_left", (), "temporary files are left"),
    Mistake(hurried.TakesAnOutageForAbsence, "test_a_place_that_is_down", (), "exists of a place that is down"),
    Mistake(hurried.ReadsWhateverIsThere, "test_replaced_while_it_is_read", (), "that was replaced while it was read"),
]
DEAR = {"test_memory_is_bounded"}


@pytest.mark.sampled(6)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what some of them leave open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "mistake",
    [pytest.param(one, id=str(one), marks=[pytest.mark.long_form] if one.case in DEAR else []) for one in MISTAKES],
)
def test_the_suite_finds(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(troubles, "PATIENCE", 1.0)

    class SuiteUnderTest(AzureHarness, StorageBackendSuite):
        storage: ClassVar[type[AzureStorage]] = mistake.storage

    emulator()  # it outlives the case
    suite = SuiteUnderTest()
    suite.place = tmp_path
    with pytest.raises((AssertionError, PluginError)) as caught:
        run_case(suite, getattr(suite, mistake.case)(*mistake.arguments))
    assert mistake.says in str(caught.value)
