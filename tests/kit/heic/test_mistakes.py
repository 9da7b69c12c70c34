"""The HEIC detector passes the suite of detectors as it is, and each hurried mistake in it is found."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.errors import PluginError
from lading.plugins.testing import Cost, leaks
from lading.plugins.testing.detector import spending
from lading.plugins.testing.suite import run_case
from tests.kit.heic import hurried
from tests.kit.heic.detector import HeicDetector
from tests.kit.heic.harness import HeicHarness, files


@pytest.fixture(autouse=True)
def _made() -> None:
    """The encoder is done before a case begins, so that its threads are not taken for the detector's."""
    files()


@pytest.mark.long_form
class TestHeic(HeicHarness):
    """The whole suite."""


@dataclass(frozen=True)
class Mistake:
    """A mistake, the case that finds it, and words of its message."""

    detector: type[HeicDetector]
    case: str
    arguments: tuple[object, ...]
    says: str

    def __str__(self) -> str:
        return f"{self.detector.__name__}-{self.case}"


COSTS = "test_a_file_that_costs_too_much"
MISTAKES = [
    Mistake(hurried.HasNoTimeLimit, COSTS, (Cost.SLOW,), "the slow file is recognised, after"),
    Mistake(hurried.HasNoMemoryLimit, COSTS, (Cost.GREEDY,), "(RLIMIT_AS)"),
    Mistake(hurried.AsksTheKernelAlone, COSTS, (Cost.GREEDY,), "and yet ImageCorrupt is raised: raise ImageTooComplex"),
    Mistake(hurried.ChecksNoPixels, "test_every_refused_file_gives_its_class", (), "instead of TooManyPixels"),
    Mistake(hurried.PromisesAnotherAttempt, COSTS, (Cost.SLOW,), "which promises another attempt"),
    Mistake(hurried.TakesCostForDamage, COSTS, (Cost.SLOW,), "and yet ImageCorrupt is raised: raise ImageTooComplex"),
    Mistake(hurried.ExpectsAnAnswer, COSTS, (Cost.SLOW,), "nor a DetectError but JSONDecodeError"),
    Mistake(hurried.DecodesOnTheLoop, "test_a_slow_file_is_let_go", ("cancelled",), "blocks the event loop"),
    Mistake(hurried.DecodesInAThread, "test_a_slow_file_is_let_go", ("cancelled",), "and yet the thread"),
    Mistake(hurried.LetsItsChildGoOn, "test_a_slow_file_is_let_go", ("cancelled",), "and yet the child process"),
    Mistake(hurried.BelievesTheHeader, "test_truncated_files", (), "the first"),
    Mistake(hurried.HidesDamage, "test_truncated_files", (), "the first"),
    Mistake(hurried.ReadsTheFirstFrame, "test_every_sample_is_recognised", (), "frames=1"),
    Mistake(hurried.ForgetsToTurnIt, "test_every_sample_is_recognised", (), "turned: ImageInfo"),
    Mistake(
        hurried.CallsItHif,
        "test_formats_are_named_as_the_service_names_them",
        (),
        "is called HIF, and the service calls it HEIC or HEIF",
    ),
    Mistake(hurried.TakesAllThatHasBoxes, "test_good_images_of_other_formats", (), "avif, a format of others"),
    Mistake(hurried.TrustsTheEnding, "test_the_ending_of_a_name_means_nothing", ("jpg",), "not_an_image"),
    Mistake(hurried.ShowsThePath, "test_a_missing_file", (), "the path is shown"),
    Mistake(hurried.GivesThePath, "test_a_file_known_by_its_descriptor", (), "image_corrupt"),
    Mistake(hurried.LeavesACopy, "test_no_temporary_file_is_left", (), ".heic"),
    Mistake(hurried.ReadsItWhole, "test_a_large_file_that_begins_as_an_image", (), "MiB of memory"),
]


@pytest.mark.sampled(6)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what some of them leave open
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_suite_finds(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(spending, "WORKED_ON", 0.1)

    class SuiteUnderTest(HeicHarness):
        detector: ClassVar[type[HeicDetector]] = mistake.detector

    suite = SuiteUnderTest()
    suite.place = tmp_path
    with pytest.raises((AssertionError, PluginError, ValueError)) as caught:
        run_case(suite, getattr(suite, mistake.case)(*mistake.arguments))
    assert mistake.says in str(caught.value)


REGISTERING = """
import pillow_heif
from tests.kit.heic.detector import HeicDetector

pillow_heif.register_heif_opener()

class Registering(HeicDetector):
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where modules may be imported from, in other processes too."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def test_the_suite_finds_one_that_registers_itself(folder: Path) -> None:
    """It is never imported here, since what it changes would stay."""
    (folder / "lading_registering.py").write_text(REGISTERING)

    class SuiteUnderTest(HeicHarness):
        detector: ClassVar[type[HeicDetector]] = type(
            "Registering", (HeicDetector,), {"__module__": "lading_registering"}
        )

    suite = SuiteUnderTest()
    suite.place = folder / "place"
    with pytest.raises(AssertionError, match="Pillow's registry of formats, with HEIF"):
        run_case(suite, suite.test_importing_it_changes_nothing_else())
