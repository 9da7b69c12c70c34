"""Cases of the document store suite: processes that share the request limit of a sender."""

import asyncio
from datetime import timedelta

import pytest

from lading.service.limits.lending import KIND, Account, Lending, Terms, Wish
from tests.conformance.documents.cases.base import DocumentStoreCases, SettableClock

TERMS = Terms("issuer", 50, 100)


class LendingCases(DocumentStoreCases):
    """What ``lading.service.limits.lending`` needs of ``RecordStore``."""

    @pytest.mark.gen_test
    async def test_of_many_borrowers_at_once_none_gets_what_another_has(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:

            async def borrow(lending: Lending, account: Account) -> int:
                return sum([(await lending.ask(account, Wish(needed=3))).granted for _ in range(4)])

            borrowers = [(Lending(store.records, clock), Account(TERMS, "a")) for _ in range(6)]
            granted = await asyncio.gather(*(borrow(*one) for one in borrowers))
            assert sum(granted) == 50, "72 were wanted"
            clock.move(timedelta(seconds=20))
            granted = await asyncio.gather(*(borrow(*one) for one in borrowers))
            assert sum(granted) == 10

    @pytest.mark.gen_test
    async def test_what_is_returned_is_lent_again(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            one, another = (Lending(store.records, clock) for _ in range(2))
            account = Account(TERMS, "a")
            assert (await one.ask(account, Wish(needed=1, extra=49))).granted == 50
            assert (await another.ask(Account(TERMS, "a"), Wish(needed=2))).granted == 0
            assert (await another.ask(Account(TERMS, "b"), Wish(needed=2))).granted == 2
            assert (await one.ask(account, Wish(returned=30.5))).granted == 0
            loan = await another.ask(Account(TERMS, "a"), Wish(needed=2))
            assert (loan.granted, round(loan.level, 3), loan.borrowers) == (2, 28.5, 2)

    @pytest.mark.gen_test
    async def test_a_full_bucket_has_no_record(self) -> None:
        clock = SettableClock()
        async with self.opened(clock) as store:
            lending, account = Lending(store.records, clock), Account(TERMS, "a")
            assert (await lending.ask(account, Wish(needed=30))).granted == 30
            clock.move(timedelta(seconds=59))
            assert await store.records.drop_expired(10) == 0
            clock.move(timedelta(seconds=10))
            assert await store.records.drop_expired(10) == 1
            assert (await lending.ask(account, Wish(needed=60))).granted == 50
            assert await store.records.get(KIND, account.record_id) is not None
