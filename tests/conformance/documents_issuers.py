"""Cases of the document store suite: issuers."""

import asyncio

import pytest

from service.documents import DuplicateId
from service.issuers import Algorithm, Issuer
from tests.conformance.documents_base import DocumentStoreCases, SettableClock

SECRET = "s3cr3t-\0'\"\\ 🔑"


def make_issuer(issuer_id: str = "issuer", *, enabled: bool = True) -> Issuer:
    return Issuer(id=issuer_id, organization_id="organization", secret=SECRET, enabled=enabled)


class IssuerCases(DocumentStoreCases):
    @pytest.mark.parametrize("algorithm", list(Algorithm))
    @pytest.mark.parametrize("enabled", [True, False])
    @pytest.mark.parametrize("require_exp", [True, False])
    @pytest.mark.gen_test
    async def test_every_field_of_an_issuer_is_kept(
        self, algorithm: Algorithm, enabled: bool, require_exp: bool
    ) -> None:
        issuer = Issuer("an id '🪪", "Örg", SECRET, algorithm, enabled, require_exp)
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(issuer)
            found = await store.get_issuer(issuer.id)
        assert found == issuer
        assert found is not None
        assert isinstance(found.algorithm, Algorithm)
        assert (type(found.enabled), type(found.require_exp)) == (bool, bool)

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
    async def test_no_secret_is_in_a_repr(self) -> None:
        async with self.opened(SettableClock()) as store:
            await store.add_issuer(make_issuer())
            shown = repr([await store.get_issuer("issuer"), await store.list_issuers(), store])
        assert "s3cr3t" not in shown
