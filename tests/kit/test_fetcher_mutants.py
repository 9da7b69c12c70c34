"""The suite itself is held to account: a small fetcher, broken in one way at a time, must fail it."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.errors import PluginError
from lading.plugins.testing import FetcherSuite, Flaw, HttpFetcherSuite, leaks
from lading.plugins.testing.bodies import MIB
from lading.plugins.testing.common.importing import ImportCases
from lading.plugins.testing.common.pinging import PingCases
from lading.plugins.testing.fetcher import support as fetcher_support
from lading.plugins.testing.fetcher.http.posting import PostingCases
from lading.plugins.testing.suite import only_garbage_of_its_own, run_case
from tests.kit.broken import fetcher_lives as lives
from tests.kit.broken import fetchers as broken
from tests.kit.broken import http_fetchers as http
from tests.kit.ftp.test_mistakes import MISTAKES
from tests.kit.reference_fetcher import ReferenceFetcher, ReferenceHarness


@dataclass(frozen=True)
class Fault:
    """A broken fetcher, the case that finds it, the case's parameters, and words of its message.

    Where it ``hangs``, the case ends when its time is up.
    """

    fetcher: type[ReferenceFetcher]
    case: str
    arguments: tuple[object, ...] = ()
    says: str = ""
    hangs: bool = False

    def __str__(self) -> str:
        return f"{self.fetcher.__name__}-{self.case}"


FAULTS = [
    # what it gives
    Fault(broken.LosesTheLastByte, "test_every_byte_arrives", (100,), "99 bytes instead of 100"),
    Fault(broken.GivesEmptyPieces, "test_every_byte_arrives", (100,), "a piece of the body is empty"),
    Fault(broken.GivesItAtOnce, "test_every_byte_arrives", (3 * MIB + 5,), "a piece of the body has"),
    Fault(broken.GivesBytearrays, "test_every_byte_arrives", (1,), "of type bytearray"),
    Fault(broken.HasALimitOfItsOwn, "test_every_byte_of_the_largest_arrives", says="body_too_large"),
    Fault(broken.ReadsAhead, "test_memory_is_bounded", says="MiB of memory"),
    Fault(broken.AnnouncesTheLengthAsText, "test_what_is_announced", says="content_length is '1'"),
    Fault(broken.AnnouncesAnotherLength, "test_what_is_announced", says="not what an honest origin announced"),
    Fault(broken.AnnouncesThePath, "test_what_is_announced", says="is a path"),
    Fault(broken.GoesRoundInCircles, "test_the_end_stays_the_end", says="behind the end"),
    Fault(broken.AcceptsNothing, "test_an_empty_body", says="0 bytes were given as the whole"),
    Fault(broken.KnowsLowerCaseAlone, "test_the_scheme_in_capitals", says="does not begin with http:"),
    Fault(broken.IsOffByOne, "test_a_body_of_exactly_the_limit", says="body_too_large"),
    Fault(broken.HasNoLimit, "test_a_body_over_the_limit", (1,), "as the whole, instead of BodyTooLarge"),
    Fault(broken.GivesAPieceTooMany, "test_a_body_over_the_limit", (10,), "bytes were given"),
    Fault(broken.TriesTheTooLargeAgain, "test_a_body_over_the_limit", (1,), "instead of BodyTooLarge"),
    Fault(broken.OpensASourceOnce, "test_the_same_source_again", says="time 2"),
    Fault(broken.SharesTheBody, "test_the_same_source_twice_at_once", says="disturb one another"),
    Fault(broken.MixesItsFetches, "test_many_at_once", says="at once"),
    Fault(lives.ClosesAtTheEndAlone, "test_a_reader_that_leaves_early", (1,), "left behind"),
    Fault(lives.TranslatesTheReadersErrors, "test_a_readers_own_error_passes_unchanged", (1,), "and out comes"),
    # what it refuses and says
    Fault(broken.TriesTheOriginFirst, "test_check_accepts_what_an_origin_may_have", says="nobody is there"),
    Fault(broken.ChecksAtLength, "test_check_is_quick", says="ms of CPU"),
    Fault(broken.BeginsAtOnce, "test_check_starts_nothing", says="check starts a task"),
    Fault(broken.ChecksNothing, "test_check_refuses", says="check accepts"),
    Fault(broken.RefusesWithTheBase, "test_check_refuses", says="check raises FetchError"),
    Fault(broken.RefusesOtherwiseLater, "test_open_repeats_the_check", says="ConnectFailed"),
    Fault(broken.LetsValueErrorsOut, "test_strange_urls", says="check raises ValueError"),
    Fault(broken.CannotSpellEveryHeader, "test_strange_headers", says="check raises UnicodeEncodeError"),
    Fault(broken.QuotesTheUrl, "test_refusals_tell_no_secrets", says="a refusal tells what is secret"),
    Fault(broken.QuotesTheUrlOfAFetch, "test_a_fetch_tells_no_secrets", (Flaw.MISSING,), "an error tells"),
    Fault(broken.LogsTheUrl, "test_a_fetch_tells_no_secrets", (None,), "a line of the log tells"),
    # origins with flaws
    Fault(broken.SaysRejectedForAll, "test_an_origin_that_gives_nothing", (Flaw.MISSING,), "instead of OriginNotFound"),
    Fault(broken.LetsOsErrorsOut, "test_an_origin_that_gives_nothing", (Flaw.DOWN,), "RuntimeError"),
    Fault(lives.HasNoDeadline, "test_an_origin_that_takes_for_ever", (Flaw.SILENT,), "goes on and on"),
    Fault(lives.TimesEachReadAlone, "test_an_origin_that_takes_for_ever", (Flaw.DRIPPING,), "goes on and on"),
    Fault(lives.GivesUpForGood, "test_an_origin_that_takes_for_ever", (Flaw.STALLED,), "no other attempt is promised"),
    Fault(broken.TakesShortForWhole, "test_a_body_that_breaks_off", (1000, Flaw.TRUNCATED), "500 bytes were given as"),
    Fault(broken.TakesShortForWhole, "test_a_body_that_breaks_off", (3 * MIB + 5, Flaw.RESET), "as the whole"),
    Fault(broken.HasNoLimit, "test_a_body_without_end", says="goes on and on"),
    Fault(broken.ReadsOnBehindTheEnd, "test_a_body_longer_than_announced", (1000,), "500 announced, 1000 given"),
    Fault(broken.PromisesAnotherAttempt, "test_a_redirect_loop", says="instead of TooManyRedirects"),
    Fault(broken.IsSpoiledByAnError, "test_flaws_do_no_harm_to_others", says="closed"),
    # its life
    Fault(lives.IsOfTheFuture, "test_it_says_what_it_is", says="contract_version is 2"),
    Fault(lives.DescribesNoOption, "test_it_says_what_it_is", says="level has no description"),
    Fault(lives.WritesItsSchemeInCapitals, "test_it_says_what_it_is", says="no lower-case scheme"),
    Fault(lives.StartsAThread, "test_a_new_fetcher_has_started_nothing", says="left behind"),
    Fault(lives.ClosesTheOthersToo, "test_two_fetchers_do_not_share_their_lives", says="closed"),
    Fault(lives.SwallowsCancellation, "test_cancelled_at_every_await_of_the_first_fetch", says="it ended with"),
    Fault(
        lives.LeavesTheConnectionWhenCancelled, "test_cancelled_at_every_await_of_the_first_fetch", says="left behind"
    ),
    Fault(lives.SwallowsCancellation, "test_cancelled_at_every_await_of_a_later_fetch", says="it ended with"),
    Fault(lives.SwallowsCancellation, "test_cancelled_while_the_origin_misbehaves", (Flaw.SILENT,), "it ended with"),
    Fault(lives.KeepsThePlaceOfACancelledFetch, "test_cancelled_among_others", hangs=True),
    Fault(lives.FailsSecondClose, "test_close_twice_and_at_once", says="closed"),
    Fault(lives.FailsToCloseUnused, "test_close_of_an_unused_fetcher", says="there is no session"),
    Fault(lives.NeedsTwoCloses, "test_one_close_is_enough", says="left behind"),
    Fault(lives.WorksAfterClose, "test_use_after_close_is_an_error", says="as the whole"),
    Fault(lives.CancelsItsFetches, "test_close_while_it_fetches", (12, 10), "ends as cancelled"),
    Fault(lives.ForgetsItsFetches, "test_close_while_the_origin_is_slow", (Flaw.SILENT,), "3 of 3 fetches go on"),
    Fault(lives.EndsQuietlyWhenClosed, "test_close_while_a_reader_rests", says="passes as the whole after close"),
    Fault(lives.GivesUpClosing, "test_a_cancelled_close_can_be_repeated", says="left behind"),
    # heads and statuses
    Fault(broken.SaysRejectedForAll, "test_a_status_has_its_class", (404,), "instead of OriginNotFound"),
    Fault(http.TakesAnyTwoHundred, "test_a_status_without_the_image", (206,), "1000 bytes were given as the whole"),
    Fault(http.ForgetsWhenToComeAgain, "test_when_to_come_again", says="17 is not passed on"),
    Fault(http.BelievesAnyTime, "test_when_to_come_again", says="-5 is understood as -5"),
    Fault(http.TakesInterimForFinal, "test_interim_responses_are_passed_over", says="an answer after interim ones"),
    Fault(http.ReadsHeadsAnyway, "test_a_head_that_is_none", ("no status",), "1000 bytes were given as the whole"),
    Fault(http.ReadsHeadsWithoutEnd, "test_a_head_without_end", ("a field without end",), "goes on and on"),
    Fault(http.WaitsForHeads, "test_a_head_that_takes_for_ever", says="goes on and on"),
    Fault(http.QuotesTheOrigin, "test_an_origins_words_are_not_shown", says="the client is shown what an origin says"),
    # framing
    Fault(http.KnowsNoChunks, "test_bodies_framed_in_other_ways", (1000,), "chunks"),
    Fault(http.TakesTheLength, "test_doubtful_framing_gives_no_other_bytes", says="3 bytes instead of 1000"),
    Fault(broken.TakesShortForWhole, "test_an_answer_that_breaks_off", ("closed within the body",), "999 bytes were"),
    Fault(http.TakesNoChunkForTheLast, "test_chunks_that_are_none", ("a size that is none",), "goes on and on"),
    Fault(http.WaitsForWhatIsTooMuch, "test_too_much_is_announced", says="goes on and on"),
    Fault(http.KeepsConnections, "test_what_follows_an_answer_is_not_the_next", says="a plain source"),
    Fault(http.KeepsConnections, "test_a_connection_that_is_closed_unannounced", says="keeps no connection"),
    # encodings and announcements
    Fault(http.RetriesEncodings, "test_an_encoding_that_nobody_asked_for", says="an unknown content encoding"),
    Fault(http.IgnoresEncodings, "test_compressed_bodies", says="a gzip: 1023 bytes"),
    Fault(http.UnpacksBombs, "test_compressed_bodies", says="a gzip of 4 MiB"),
    Fault(http.PassesTypesOn, "test_media_types", says="no bare lower-case media type"),
    Fault(http.PassesNamesOn, "test_filenames_are_no_paths", says="is a path"),
    Fault(http.StripsValidators, "test_validators_are_passed_on_as_sent", says="etag"),
    # requests and redirects
    Fault(http.SendsNoHeaders, "test_what_is_sent", says="headers are not sent"),
    Fault(http.AsksForAPart, "test_what_is_sent", says="range asks for something else"),
    Fault(http.LetsHeadersThrough, "test_headers_carry_no_others", says="is smuggled in"),
    Fault(http.KeepsCookies, "test_one_fetch_leaves_nothing_to_the_next", says="goes along with another"),
    Fault(http.KnowsFewRedirects, "test_redirects_are_followed", (308,), "a redirect to"),
    Fault(http.FollowsAsItWasAsked, "test_a_chain_of_redirects", says="too_many_redirects"),
    Fault(http.FollowsFarTooLong, "test_redirects_come_to_an_end", says="a chain of 100 redirects"),
    Fault(http.FollowsFarTooLong, "test_slow_redirects_share_one_limit", says="goes on and on"),
    Fault(http.GoesBackWhereItCameFrom, "test_redirects_to_what_is_no_web_page", ("file:///etc/passwd",), "instead of"),
    Fault(http.GoesBackWhereItCameFrom, "test_redirects_pass_the_check", says="instead of RedirectNotAllowed"),
    Fault(http.TakesTheFirstPlace, "test_redirects_to_no_place", says="a redirect to two places"),
    Fault(http.ReadsTheBodyOfRedirects, "test_the_body_of_a_redirect_is_left", hangs=True),
    Fault(http.SendsHeadersEverywhere, "test_headers_stay_with_their_origin", says="go to another origin"),
    Fault(http.SendsHeadersBack, "test_headers_stay_with_their_origin", says="after another origin had a say"),
    Fault(http.SendsNoHeadersOn, "test_harmless_headers_go_along", says="headers that hold no secret are lost"),
    Fault(http.SaysWhereItComesFrom, "test_a_url_is_no_secret_to_others", says="by Referer perhaps"),
    Fault(http.TakesAnyVersionForTheKnownOne, "test_a_version_that_is_known", says="a new version"),
    Fault(http.SaysSoWithoutAsking, "test_a_version_that_is_known", says="the origin was not asked"),
]

FAILURES = (AssertionError, PluginError, AttributeError, ExceptionGroup)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what some of them leave open
@pytest.mark.sampled(6)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_suite_finds(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(fetcher_support, "PATIENCE", 0.5)

    class SuiteUnderTest(ReferenceHarness, HttpFetcherSuite):
        fetcher: ClassVar[type[ReferenceFetcher]] = fault.fetcher
        case_seconds: ClassVar[float] = 2.0 if fault.hangs else 60.0

    suite = SuiteUnderTest()
    suite.place = tmp_path
    with only_garbage_of_its_own():
        try:
            with pytest.raises((*FAILURES, TimeoutError) if fault.hangs else FAILURES) as caught:
                run_case(suite, getattr(suite, fault.case)(*fault.arguments))
            assert fault.says in str(caught.value)
            # Its traceback has frames with the connections that the fault has left open: they are collected here.
            del caught
        finally:
            lives.ClosesTheOthersToo.all.clear()
            lives.ClosesAtTheEndAlone.left.clear()
            lives.LeavesTheConnectionWhenCancelled.left.clear()
            lives.KeepsATask.left.clear()
            gc.collect()


def test_every_case_has_found_something() -> None:
    others = {*vars(PostingCases), *vars(ImportCases), *vars(PingCases)}  # see test_posting_mutants and rules
    cases = {name for name in dir(HttpFetcherSuite) if name.startswith("test_")}
    assert {fault.case for fault in FAULTS} | {mistake.case for mistake in MISTAKES} == cases - others


@pytest.mark.parametrize(
    ("case", "arguments"),
    [
        ("test_a_body_without_end", ()),
        ("test_a_fetch_tells_no_secrets", (Flaw.ENDLESS,)),
        ("test_memory_is_bounded", ()),
    ],
)
def test_what_is_declared_is_not_asked_for(case: str, arguments: tuple[object, ...]) -> None:
    class Modest(ReferenceHarness, FetcherSuite):
        fetcher: ClassVar[type[ReferenceFetcher]] = broken.HasNoLimit
        unsupported: ClassVar[Mapping[str, str]] = {Flaw.ENDLESS: "bodies have an end"}
        largest_body: ClassVar[int] = 100_000

    suite = Modest()
    with pytest.raises(pytest.skip.Exception, match=r"bodies have an end|at most 100000 bytes"):
        run_case(suite, getattr(suite, case)(*arguments))


@pytest.mark.sampled(6)
class TestTheSuiteIsFair(ReferenceHarness, HttpFetcherSuite):
    """The fetcher passes when it is not broken."""


@pytest.mark.one_in(3)
class TestTheSuiteIsFairToTheSmall(ReferenceHarness, FetcherSuite):
    """And so does one whose sources are small."""

    largest_body = 2000
