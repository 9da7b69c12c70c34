"""Cases of the document store suite: issuers."""

import asyncio
from dataclasses import replace
from itertools import product

import pytest

from lading.service.documents import DuplicateId
from lading.service.models.clock import truncate_to_milliseconds
from lading.service.models.issuers import Algorithm, Issuer
from tests.conformance.documents.cases.base import SECOND, DocumentStoreCases, SettableClock

SECRET = "s3cr3t-\0'\"\\ 🔑"


def make_issuer(issuer_id: str = "issuer", *, enabled: bool = True) -> Issuer:
    return Issuer(id=issuer_id, organization_id="organization", key=SECRET, enabled=enabled)


class IssuerCases(DocumentStoreCases):
    @pytest.mark.gen_test
    async def test_every_field_of_an_issuer_is_kept(self) -> None:
        clock = SettableClock()
        until = truncate_to_milliseconds(clock.now()) + SECOND
        issuers = [
            Issuer(f"an id '🪪 {number:02}", "Örg", SECRET, *values, f"previous {SECRET}", until)
            for number, values in enumerate(product(Algorithm, (True, False), (True, False)))
        ]
        async with self.opened(clock) as store:
            for issuer in issuers:
                await store.add_issuer(issuer)
                found = await store.get_issuer(issuer.id)
                assert found == issuer
                assert found is not None
                assert isinstance(found.algorithm, Algorithm)
                assert (type(found.enabled), type(found.require_exp)) == (bool, bool)
            assert list(await store.list_issuers()) == issuers

    @pytest.mark.gen_test
    async def test_an_unknown_issuer_is_not_found(self) -> None:
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(make_issuer())
            for issuer_id in ("", "ISSUER", "issuer ", "' OR '1'='1", "$ne"):
                assert await store.get_issuer(issuer_id) is None

    @pytest.mark.gen_test
    async def test_a_second_issuer_with_one_id_is_refused(self) -> None:
        issuer = make_issuer()
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(issuer)
            with pytest.raises(DuplicateId, match="issuer") as caught:
                await store.add_issuer(Issuer("issuer", "another", "another secret", enabled=False))
            assert "secret" not in str(caught.value)
            assert await store.get_issuer("issuer") == issuer

    @pytest.mark.gen_test
    async def test_issuers_are_listed_in_the_order_of_their_ids(self) -> None:
        ids = ["b", "a", "B", "10", "9", "é", "\U0001f600", "\uffee", "a b", "aa"]
        async with self.opened(SettableClock()) as store:
            assert list(await store.list_issuers()) == []
            await asyncio.gather(*(store.add_issuer(make_issuer(issuer_id)) for issuer_id in ids))
            assert list(await store.list_issuers()) == [make_issuer(issuer_id) for issuer_id in sorted(ids)]

    @pytest.mark.gen_test
    async def test_an_issuer_is_disabled_and_enabled(self) -> None:
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(make_issuer("one"))
            await store.add_issuer(make_issuer("other"))
            for enabled in (False, False, True):
                assert await store.set_issuer_enabled("one", enabled)
                assert await store.get_issuer("one") == make_issuer("one", enabled=enabled)
                assert await store.get_issuer("other") == make_issuer("other")
            assert not await store.set_issuer_enabled("unknown", True)
            assert await store.get_issuer("unknown") is None

    @pytest.mark.gen_test
    async def test_a_new_key_makes_the_present_one_the_previous_one(self) -> None:
        clock = SettableClock()
        until = truncate_to_milliseconds(clock.now()) + SECOND
        async with self.opened(clock) as store:
            await store.add_issuer(make_issuer("one", enabled=False))
            await store.add_issuer(make_issuer("other"))
            expected = make_issuer("one", enabled=False)
            for key, keep_until in (("$secret", until), ("second", until + SECOND), ("", None), (SECRET, until)):
                previous = None if keep_until is None else expected.key
                expected = replace(expected, key=key, previous_key=previous, previous_until=keep_until)
                assert await store.rotate_issuer("one", key, keep_until)
                assert await store.get_issuer("one") == expected
            assert await store.get_issuer("other") == make_issuer("other")
            assert not await store.rotate_issuer("unknown", "key", until)
            assert await store.get_issuer("unknown") is None

    @pytest.mark.gen_test
    async def test_of_new_keys_given_at_once_each_takes_the_place_of_the_one_before_it(self) -> None:
        clock = SettableClock()
        keys = [f"key {number}" for number in range(20)]
        async with self.opened(clock) as store:
            await store.add_issuer(make_issuer())
            until = truncate_to_milliseconds(clock.now()) + SECOND
            assert all(await asyncio.gather(*(store.rotate_issuer("issuer", key, until) for key in keys)))
            found = await store.get_issuer("issuer")
        assert found is not None
        assert found.key in keys
        assert found.previous_key in keys
        assert found.key != found.previous_key

    @pytest.mark.gen_test
    async def test_previous_keys_are_dropped_when_their_time_has_ended(self) -> None:
        clock = SettableClock()
        now = truncate_to_milliseconds(clock.now())
        ends = {"before": now - SECOND, "now": now, "after": now + SECOND, "never": None}
        issuers = {name: replace(make_issuer(name), previous_key="p", previous_until=end) for name, end in ends.items()}
        async with self.opened(clock) as store:
            for issuer in (*issuers.values(), make_issuer("none")):
                await store.add_issuer(issuer)
            assert await store.drop_previous_keys() == 2
            assert await store.drop_previous_keys() == 0
            for name in ("before", "now", "none"):
                assert await store.get_issuer(name) == make_issuer(name)
            for name in ("after", "never"):
                assert await store.get_issuer(name) == issuers[name]
            clock.move(SECOND)
            assert await store.drop_previous_keys() == 1
            assert await store.get_issuer("never") == issuers["never"]

    @pytest.mark.gen_test
    async def test_no_secret_is_in_a_repr(self) -> None:
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(replace(make_issuer(), previous_key=f"previous {SECRET}"))
            shown = repr([await store.get_issuer("issuer"), await store.list_issuers(), store])
        assert "s3cr3t" not in shown
