"""The suite itself is held to account: a small processor, broken in one way at a time, must fail it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.contracts.processing import Processor
from lading.plugins.errors import PluginError
from lading.plugins.testing import ProcessorSuite, leaks
from lading.plugins.testing.common.importing import ImportCases
from lading.plugins.testing.common.pinging import PingCases
from lading.plugins.testing.suite import run_case
from tests.kit.broken import processors as broken
from tests.kit.processor.reference import ReferenceHarness


@dataclass(frozen=True)
class Fault:
    """A broken processor, the case that finds it, and words of its message."""

    processor: type[Processor]
    case: str
    says: str
    case_seconds: float = 60.0

    def __str__(self) -> str:
        return f"{self.processor.__name__}-{self.case}"


FAULTS = [
    Fault(broken.ReturnsNone, "test_every_sample_is_processed", "but None"),
    Fault(broken.SaysOneForTrue, "test_every_sample_is_processed", "replaced is 1"),
    Fault(broken.WritesNothing, "test_every_sample_is_processed", "and wrote nothing"),
    Fault(broken.SaysNothingOfItsFile, "test_every_sample_is_processed", "does not say that it replaced"),
    Fault(broken.WritesNoImage, "test_every_sample_is_processed", "the new file is no image"),
    Fault(broken.GivesFactsOfBytes, "test_every_sample_is_processed", "have a bytes"),
    Fault(broken.GivesInfinity, "test_every_sample_is_processed", "not finite"),
    Fault(broken.GivesManyFacts, "test_every_sample_is_processed", "more than 4096"),
    Fault(broken.GivesDeepFacts, "test_every_sample_is_processed", "nest deeper than 8"),
    Fault(broken.NamesFactsInCamelCase, "test_every_sample_is_processed", "have the name 'mainColor'"),
    Fault(broken.BlocksTheLoop, "test_every_sample_is_processed", "BlocksTheLoop blocks the event loop"),
    Fault(broken.LeaksADescriptor, "test_every_sample_is_processed", "left behind"),
    Fault(broken.RaisesTheBase, "test_every_rejected_image_gives_its_class", "instead of ImageRefused"),
    Fault(broken.IsSpoiledByARefusal, "test_every_rejected_image_gives_its_class", "closed"),
    Fault(broken.QuotesTheClient, "test_every_rejected_image_gives_its_class", "the client's text or the path"),
    Fault(broken.CountsItsCalls, "test_the_same_every_time", "a second time: the facts are"),
    Fault(broken.WritesItsCalls, "test_the_same_every_time", "a second time: the new file has other bytes"),
    Fault(broken.WritesItsNumber, "test_the_same_every_time", "from another instance: the new file has other bytes"),
    Fault(broken.KnowsNoLimit, "test_the_limit_of_the_output", "are allowed"),
    Fault(broken.CutsAtTheLimit, "test_the_limit_of_the_output", "Made(data="),
    Fault(broken.OpensTheClientsName, "test_whatever_the_client_says", "UnicodeEncodeError"),
    Fault(broken.HangsOnDamage, "test_damaged_images", "process does not end within", case_seconds=4.0),
    Fault(broken.RaisesTheLibrarysError, "test_damaged_images", "ValueError"),
    Fault(broken.MixesItsCalls, "test_many_at_once", "among others"),
    Fault(broken.TrustsTheEnding, "test_the_name_of_the_file_means_nothing", "named 'image.txt'"),
    Fault(broken.ResolvesThePath, "test_a_file_without_a_name", "png without a name"),
    Fault(broken.MakesItReadableFirst, "test_the_image_and_its_folder_are_left_alone", "touched"),
    Fault(broken.ChangesTheImageInItsPlace, "test_the_image_and_its_folder_are_left_alone", "touched"),
    Fault(broken.LeavesATemporaryFile, "test_no_file_is_left_behind", "png: left behind: "),
    Fault(broken.LeavesAFileInItsFolder, "test_no_file_is_left_behind", "left behind: working/refused.log"),
    Fault(broken.DecodesInTheService, "test_a_large_image_takes_little_memory_of_the_service", "MiB of memory"),
    Fault(broken.IsOfTheFuture, "test_it_says_what_it_is", "the contract version is 99"),
    Fault(broken.DescribesNoOption, "test_it_says_what_it_is", "level has no description"),
    Fault(broken.StartsAThread, "test_a_new_processor_has_started_nothing", "left behind"),
    Fault(broken.ClosesTheOthersToo, "test_two_processors_do_not_share_their_lives", "closed"),
    Fault(broken.LetsOsErrorsOut, "test_a_missing_file", "FileNotFoundError"),
    Fault(broken.SwallowsCancellation, "test_cancelled_at_every_await", "it ended with"),
    Fault(broken.WritesAfterwards, "test_nothing_is_written_after_a_cancelled_call", "after the call has ended"),
    Fault(broken.FailsSecondClose, "test_close_twice_and_at_once", "closed"),
    Fault(broken.LeaksADescriptor, "test_one_close_is_enough", "left behind"),
    Fault(broken.WorksAfterClose, "test_use_after_close_is_an_error", "after close, process gives"),
    Fault(broken.CancelsItsCalls, "test_close_while_it_processes", "ends as cancelled"),
]


@pytest.mark.sampled(6)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(broken.ClosesTheOthersToo, "is_closed", False)

    class SuiteUnderTest(ReferenceHarness):
        processor: ClassVar[type[Processor]] = fault.processor
        case_seconds: ClassVar[float] = fault.case_seconds

    suite = SuiteUnderTest()
    suite.place = tmp_path / "place"
    try:
        with pytest.raises((AssertionError, PluginError)) as caught:
            run_case(suite, getattr(suite, fault.case)())
        assert fault.says in str(caught.value)
    finally:
        while broken.LeaksADescriptor.descriptors:
            os.close(broken.LeaksADescriptor.descriptors.pop())


def test_every_case_has_found_something() -> None:
    cases = {name for name in dir(ProcessorSuite) if name.startswith("test_")}
    assert {fault.case for fault in FAULTS} == cases - {*vars(ImportCases), *vars(PingCases)}  # see rules


def test_facts_may_be_declared_as_not_repeatable(tmp_path: Path) -> None:
    class Counting(ReferenceHarness):
        processor: ClassVar[type[Processor]] = broken.CountsItsCalls
        unsupported: ClassVar[Mapping[str, str]] = {"repeatable_facts": "it counts its calls"}

    suite = Counting()
    suite.place = tmp_path / "place"
    run_case(suite, suite.test_the_same_every_time())


class TestTheSuiteIsFair(ReferenceHarness):
    """The processor passes when it is not broken."""
