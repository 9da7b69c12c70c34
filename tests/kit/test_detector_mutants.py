"""The suite itself is held to account: a small detector, broken in one way at a time, must fail it."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.contracts import TypeDetector
from lading.plugins.detectors.pillow.formats import CONTENT_TYPES
from lading.plugins.errors import ImageCorrupt, NotAnImage, PluginError
from lading.plugins.testing import images, leaks
from lading.plugins.testing.common.importing import ImportCases
from lading.plugins.testing.common.pinging import PingCases
from lading.plugins.testing.detector import spending
from lading.plugins.testing.detector.naming import NAMES, assert_named
from lading.plugins.testing.detector.suite import TypeDetectorSuite
from lading.plugins.testing.detector.support import Cost, Refused, assert_says, expected_of
from lading.plugins.testing.suite import run_case
from tests.kit.broken import detector_costs as costs
from tests.kit.broken import detector_lives as lives
from tests.kit.broken import detectors as broken
from tests.kit.reference_detector import ReferenceHarness, StrictDetector


@dataclass(frozen=True)
class Fault:
    """A broken detector, the case that finds it, the case's parameters, and words of its message.

    Where it ``hangs``, the case ends when its time is up, or says so in words when half of it is.
    """

    detector: type[TypeDetector]
    case: str
    arguments: tuple[object, ...] = ()
    says: str = ""
    hangs: bool = False
    harness: type[ReferenceHarness] = ReferenceHarness

    @property
    def case_seconds(self) -> float:
        """What the case is given: what is to come of it within that time must come on a busy machine too."""
        if self.hangs:
            return 8.0 if self.says else 2.0
        return 60.0

    def __str__(self) -> str:
        return f"{self.detector.__name__}-{self.case}"


NAMED = "test_formats_are_named_as_the_service_names_them"
TOO_MUCH = "test_a_file_that_costs_too_much"
FAULTS = [
    Fault(broken.SwapsTheSides, "test_every_sample_is_recognised", says="instead of"),
    Fault(broken.WritesTheFormatInLowerCase, "test_values_are_plausible"),
    Fault(broken.SaysTrueForOne, "test_values_are_plausible", says="bool where int belongs"),
    Fault(broken.AddsParameters, "test_values_are_plausible", says="media type"),
    Fault(broken.ReturnsNone, "test_values_are_plausible", says="None"),
    Fault(broken.ChangesItsMind, "test_twice_the_same", says="then"),
    Fault(broken.RefusesTooEarly, "test_nothing_that_it_knows_is_refused_early", says="by its first 64 bytes"),
    Fault(broken.ResolvesThePath, "test_a_file_that_has_lost_its_name"),
    Fault(broken.ResolvesThePath, "test_a_file_in_memory_that_nobody_may_change"),
    Fault(broken.MapsItForWriting, "test_a_file_in_memory_that_nobody_may_change"),
    Fault(broken.WantsToKnowTheProcess, "test_a_file_known_by_its_descriptor"),
    Fault(broken.SharesTheDescriptor, "test_a_descriptor_keeps_its_position"),
    Fault(broken.FollowsNoLinks, "test_a_symbolic_link"),
    Fault(broken.ReadsFromElsewhere, "test_a_relative_path"),
    Fault(broken.WritesBesideIt, "test_a_file_that_may_only_be_read"),
    Fault(broken.WritesBesideIt, "test_the_file_and_its_folder_are_left_alone", says="touched"),
    Fault(broken.MakesItReadableFirst, "test_the_file_and_its_folder_are_left_alone", says="touched"),
    Fault(broken.LeavesACopy, "test_no_temporary_file_is_left", says="temporary files are left: tmp"),
    Fault(broken.TrustsTheEnding, "test_the_ending_of_a_name_means_nothing", ("svg",)),
    Fault(broken.TrustsTheEndingForText, "test_the_ending_of_a_name_means_nothing", ("png",)),
    Fault(broken.CannotSpellEveryName, "test_any_name", says="UnicodeEncodeError"),
    Fault(broken.RemembersNames, "test_nothing_is_remembered_of_a_name", says="zeros in place of"),
    Fault(broken.MixesItsCalls, "test_many_at_once"),
    Fault(broken.AllowsOneCallAtATime, "test_one_file_many_times_at_once", says="busy"),
    Fault(broken.BlocksTheLoop, "test_every_sample_is_recognised", says="BlocksTheLoop blocks the event loop"),
    Fault(broken.LeaksADescriptor, "test_every_sample_is_recognised", says="left behind"),
    Fault(broken.RaisesTheBase, "test_every_refused_file_gives_its_class", says="instead of ImageCorrupt"),
    Fault(broken.IsSpoiledByARefusal, "test_refusals_do_no_lasting_harm", says="spoiled"),
    Fault(broken.ReadsHeadersAlone, "test_truncated_files", says="the first"),
    Fault(broken.ReadsHeadersAlone, "test_the_first_bytes_alone", says="the first"),
    Fault(broken.RaisesTheLibrarysError, "test_wrong_bits", says="ValueError"),
    Fault(broken.PromisesAnotherAttempt, "test_wrong_bits", says="another attempt is promised"),
    Fault(broken.HangsOnDamage, "test_wrong_bits", hangs=True),
    Fault(broken.RaisesTheLibrarysError, "test_a_hole", says="ValueError"),
    Fault(broken.MeasuresByTheFilesSize, "test_something_behind_the_image", ("padding",), "instead of"),
    Fault(broken.TakesTheLastImage, "test_two_images_in_one_file", says="instead of"),
    Fault(broken.SearchesForAnImage, "test_a_page_before_the_image", says="a page of HTML"),
    Fault(broken.SaysFormatForNothing, "test_what_is_no_image", ("text",), "instead of NotAnImage"),
    Fault(broken.SaysNothing, "test_what_is_no_image", ("text",), "no text for the client"),
    Fault(broken.SaysFormatForNothing, "test_single_bytes", says="instead of NotAnImage"),
    Fault(broken.SaysCorruptForOthers, "test_formats_of_others", says="a format of others"),
    Fault(broken.SaysCorruptForOthers, "test_good_images_of_other_formats", says="a format of others"),
    Fault(broken.ClaimsWhatItDoesNotKnow, "test_good_images_of_other_formats", says="instead of"),
    Fault(broken.HasNoLimit, "test_bombs", says="passes"),
    Fault(broken.CrashesOnABomb, "test_bombs", says="MiB of memory"),
    Fault(broken.ReadsItWhole, "test_a_large_file_that_is_no_image", ("noise",), "MiB of memory"),
    Fault(broken.SaysFormatForNothing, "test_a_large_file_that_is_no_image", ("zeros",), "instead of NotAnImage"),
    Fault(broken.ReadsItWhole, "test_a_large_file_that_begins_as_an_image", says="MiB of memory"),
    Fault(broken.QuotesTheFile, "test_errors_tell_nothing_of_the_file", says="are shown"),
    Fault(costs.NamesItInItsOwnWay, NAMED, says="the service calls it PNG"),
    Fault(costs.ForgetsAFormat, NAMED, says="which formats() leaves out"),
    Fault(costs.CountsWhatIsThere, "test_several_frames", says="frames instead of 4", harness=costs.MovingHarness),
    Fault(costs.HasNoLimits, TOO_MUCH, (Cost.SLOW,), "is recognised"),
    Fault(costs.TakesCostForDamage, TOO_MUCH, (Cost.SLOW,), "whole and of a known format, and yet ImageCorrupt"),
    Fault(costs.PromisesToTryAgain, TOO_MUCH, (Cost.GREEDY,), "which promises another attempt"),
    Fault(costs.Spinning, TOO_MUCH, (Cost.SLOW,), "s of CPU time, and no end, where 0.2 s are allowed"),
    Fault(costs.GoesOnAfterItsRefusal, TOO_MUCH, (Cost.SLOW,), "is refused, and yet the thread"),
    Fault(costs.HasAChildWithoutATimeLimit, TOO_MUCH, (Cost.SLOW,), "(RLIMIT_CPU)"),
    Fault(costs.HasAChildWithoutAMemoryLimit, TOO_MUCH, (Cost.GREEDY,), "(RLIMIT_AS)"),
    Fault(costs.LeavesItsChildToItself, "test_a_slow_file_is_let_go", ("cancelled",), "and yet the child process"),
    Fault(costs.GoesOnAfterItsRefusal, "test_a_slow_file_is_let_go", ("closed",), "and yet the thread"),
    Fault(broken.EnlargesThumbnails, "test_thumbnails", says="its sides are"),
    Fault(broken.MakesPngs, "test_thumbnails", says="it is PNG"),
    Fault(broken.MakesThumbnailsOfAnything, "test_no_thumbnail_of_what_it_refuses", says="of what is no image"),
    Fault(lives.IsOfTheFuture, "test_it_says_what_it_is"),
    Fault(lives.DescribesNoOption, "test_it_says_what_it_is", says="level has no description"),
    Fault(lives.StartsAThread, "test_a_new_detector_has_started_nothing", says="left behind"),
    Fault(lives.ClosesTheOthersToo, "test_two_detectors_do_not_share_their_lives", says="closed"),
    Fault(broken.LetsOsErrorsOut, "test_a_missing_file", says="FileNotFoundError"),
    Fault(broken.QuotesThePath, "test_a_missing_file", says="the path is shown"),
    Fault(broken.LetsOsErrorsOut, "test_a_folder_is_no_file", says="IsADirectoryError"),
    Fault(lives.SwallowsCancellation, "test_cancelled_at_every_await_of_the_first_call", says="it ended with"),
    Fault(lives.LeavesATaskWhenCancelled, "test_cancelled_at_every_await_of_the_first_call", says="left behind"),
    Fault(lives.SwallowsCancellation, "test_cancelled_at_every_await_of_a_later_call", says="it ended with"),
    Fault(lives.SwallowsCancellation, "test_cancelled_in_the_middle", ("sample",), "it ended with"),
    Fault(lives.KeepsThePlaceOfACancelledCall, "test_cancelled_among_others", hangs=True),
    Fault(lives.FailsSecondClose, "test_close_twice_and_at_once", says="closed"),
    Fault(lives.FailsToCloseUnused, "test_close_of_an_unused_detector", says="there is no pool"),
    Fault(lives.NeedsTwoCloses, "test_one_close_is_enough", says="left behind"),
    Fault(lives.WorksAfterClose, "test_use_after_close_is_an_error", says="ImageInfo"),
    Fault(lives.CancelsItsCalls, "test_close_while_it_detects", (16, 1), "ends as cancelled"),
    Fault(lives.ForgetsItsCalls, "test_close_while_it_detects", (1, 0), "go on after close", hangs=True),
    Fault(lives.GivesUpClosing, "test_a_cancelled_close_can_be_repeated", says="left behind"),
]

FAILURES = (AssertionError, PluginError, AttributeError, ExceptionGroup)


@pytest.fixture(scope="module")
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A child process that is none of the detector's, as the servers of other tests are, beside a thread that wakes now
    and then, as their clients have.
    """
    ended = threading.Event()

    def wake() -> None:
        while not ended.wait(0.005):
            pass

    thread = threading.Thread(target=wake, name="bystander")
    thread.start()
    try:
        with subprocess.Popen(["sleep", "3600"]) as process:
            yield process
            process.kill()
    finally:
        ended.set()
        thread.join()


@pytest.mark.sampled(6)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_suite_finds(
    fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bystander: "subprocess.Popen[bytes]"
) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(lives.ClosesTheOthersToo, "is_closed", False)
    monkeypatch.setattr(costs.Spinning, "ended", threading.Event())
    monkeypatch.setattr(spending, "ALLOWANCE", 0.1)
    monkeypatch.setattr(spending, "WORKED_ON", 0.2)

    class SuiteUnderTest(fault.harness):  # type: ignore[name-defined, misc]
        detector: ClassVar[type[TypeDetector]] = fault.detector
        case_seconds: ClassVar[float] = fault.case_seconds

    suite = SuiteUnderTest()
    suite.place = tmp_path
    try:
        with pytest.raises((*FAILURES, TimeoutError) if fault.hangs else FAILURES) as caught:
            run_case(suite, getattr(suite, fault.case)(*fault.arguments))
        assert fault.says in str(caught.value)
    finally:
        while broken.LeaksADescriptor.descriptors:
            os.close(broken.LeaksADescriptor.descriptors.pop())
        lives.LeavesATaskWhenCancelled.tasks.clear()
        lives.GivesUpClosing.tasks.clear()
        costs.Spinning.ended.set()
    assert bystander.poll() is None, "the suite kills a process of another test"


def test_every_case_has_found_something() -> None:
    cases = {name for name in dir(TypeDetectorSuite) if name.startswith("test_")}
    assert {fault.case for fault in FAULTS} == cases - {*vars(ImportCases), *vars(PingCases)}  # see rules


@pytest.mark.parametrize("case", ["test_truncated_files", "test_the_first_bytes_alone"])
def test_what_is_declared_is_not_asked_for(case: str, tmp_path: Path) -> None:
    class Shallow(ReferenceHarness):
        detector: ClassVar[type[TypeDetector]] = broken.ReadsHeadersAlone
        unsupported: ClassVar[Mapping[str, str]] = {"truncation": "it reads headers alone"}

    suite = Shallow()
    suite.place = tmp_path
    with pytest.raises(pytest.skip.Exception, match="it reads headers alone"):
        run_case(suite, getattr(suite, case)())


@pytest.mark.sampled(6)
@pytest.mark.usefixtures("bystander")
class TestTheSuiteIsFair(ReferenceHarness):
    """The detector passes when it is not broken."""


@pytest.mark.one_in(3)
@pytest.mark.usefixtures("bystander")
class TestTheSuiteIsFairToTheStrict(ReferenceHarness):
    """And so does one that refuses whatever it may, and knows no format but its own by name."""

    detector = StrictDetector

    def refused(self) -> Sequence[Refused]:
        return [
            Refused("padded", images.sample("bmp").data + b"\0", ImageCorrupt),
            Refused("webp", images.sample("webp").data, NotAnImage),
        ]


@pytest.mark.parametrize("case", ["test_every_sample_is_recognised", "test_several_frames"])
def test_frames_are_counted_fairly(case: str, tmp_path: Path) -> None:
    suite = costs.MovingHarness()
    suite.place = tmp_path
    run_case(suite, getattr(suite, case)())


@pytest.mark.parametrize(
    ("sample", "foreign"),
    [("HEIF", "heic"), ("HEIF", "heic-generic"), ("HEIC", "heic-generic"), ("HEIF", "svg")],
)
def test_a_library_may_call_heic_heif(sample: str, foreign: str) -> None:
    """A file of a format that the detector knows by its other name is not one of other formats."""
    name, data = images.FOREIGN[foreign]

    class Named(ReferenceHarness):
        def samples(self) -> Sequence[images.Sample]:
            return [images.Sample("own", b"\0\0\0\x18ftypmif1 other brands", sample, "image/heic")]

    suite = Named()
    assert suite._may_know(name, data) is (foreign != "svg")
    expected = suite.samples()[0]
    assert_says(replace(expected_of(expected), format="HEIF"), expected)
    with pytest.raises(AssertionError, match="instead of"):
        assert_says(replace(expected_of(expected), format="AVIF"), expected)


def test_every_name_of_the_services_own_is_known() -> None:
    built_in = {(kind, name) for name, kinds in CONTENT_TYPES.items() for kind in kinds}
    assert built_in <= {(kind, name) for kind, names in NAMES.items() for name in names}
    assert {name for name, _ in images.FOREIGN.values()} <= {name for names in NAMES.values() for name in names}


def test_a_wrong_name_is_told_with_the_right_one() -> None:
    with pytest.raises(AssertionError, match="image/avif is called HEIF, and the service calls it AVIF"):
        assert_named("image/avif", "HEIF", "a file")
    assert_named("image/x-new", "NEW", "a file")
