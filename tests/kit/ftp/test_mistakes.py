"""The FTP fetcher passes the suite of fetchers as it is, and each hurried mistake in it is found."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from lading.plugins.errors import PluginError
from lading.plugins.testing import FetcherSuite, Flaw, leaks
from lading.plugins.testing.fetcher import support as fetcher_support
from lading.plugins.testing.suite import run_case
from tests.kit.ftp import hurried
from tests.kit.ftp.fetcher import FtpFetcher
from tests.kit.ftp.harness import FtpHarness


@pytest.mark.long_form
class TestFtp(FtpHarness, FetcherSuite):
    """The whole suite."""


@dataclass(frozen=True)
class Mistake:
    """A mistake, the case that finds it, and words of its message."""

    fetcher: type[FtpFetcher]
    case: str
    arguments: tuple[object, ...]
    says: str

    def __str__(self) -> str:
        return f"{self.fetcher.__name__}-{self.case}-{self.arguments}"


NAMES = "test_a_name_that_leads_to_a_forbidden_address"
BREAKS_OFF = "test_a_body_that_breaks_off"
MISTAKES = [
    Mistake(hurried.HasNoGuard, "test_a_forbidden_address", ("127.66.66.66",), "was begun in reach (hurried.py"),
    Mistake(hurried.HasNoGuard, NAMES, ("forbidden",), "a connection to 127.66.66.66 was begun"),
    Mistake(hurried.ChecksLiteralsAlone, NAMES, ("forbidden-ipv6",), "lading.plugins.net.NetworkGuard"),
    Mistake(hurried.BelievesIpaddress, "test_addresses_that_are_not_public", (), "the address 100.64.0.1"),
    Mistake(hurried.LooksUpTwice, NAMES, ("rebound",), "resolves to 127.0.0.1 and then 127.66.66.66"),
    Mistake(hurried.JudgesTheFirstAddress, NAMES, ("falls-back",), "resolves to 127.0.0.1, 127.66.66.66"),
    Mistake(hurried.TrustsThePassiveAddress, "test_an_origin_that_leads_elsewhere", (), "was begun in begin"),
    Mistake(hurried.TriesTheForbiddenAgain, "test_a_forbidden_address", ("127.66.66.66",), "that is promised"),
    Mistake(hurried.SaysWhereItLeads, NAMES, ("forbidden",), "the client is told where the name leads"),
    Mistake(hurried.IgnoresTheLastWord, BREAKS_OFF, (1000, Flaw.FAILED_AFTER), "500 bytes were given as the whole"),
    Mistake(hurried.TakesTheEndForTheLastWord, BREAKS_OFF, (1000, Flaw.ENDS_EARLY), "500 bytes were given as"),
    Mistake(hurried.TakesNothingForABody, "test_an_empty_body_of_no_announced_size", (), "0 bytes were given"),
    Mistake(hurried.BlamesTheOriginForGood, "test_an_origin_that_hangs_up", (), "no other attempt is promised"),
    Mistake(hurried.QuotesThePassword, "test_refusals_tell_no_secrets", (), "raised in parse (fetcher.py"),
    Mistake(hurried.OpensWithAPassword, "test_a_password_that_check_refuses_is_refused_by_open", (), "open fetches it"),
    Mistake(hurried.LogsThePassword, "test_a_fetch_tells_no_secrets", (None,), "in parse (hurried.py"),
    Mistake(hurried.ForgetsTheSession, "test_cancelled_while_the_origin_misbehaves", (Flaw.STALLED,), "event loop"),
]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of what some of them leave open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.sampled(6)
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_suite_finds(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(fetcher_support, "PATIENCE", 0.5)

    class SuiteUnderTest(FtpHarness, FetcherSuite):
        fetcher: ClassVar[type[FtpFetcher]] = mistake.fetcher

    suite = SuiteUnderTest()
    suite.place = tmp_path
    with pytest.raises((AssertionError, PluginError)) as caught:
        run_case(suite, getattr(suite, mistake.case)(*mistake.arguments))
    assert mistake.says in str(caught.value)
