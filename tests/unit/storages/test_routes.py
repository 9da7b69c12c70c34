"""A rule chooses the storage of an import: attempts, their leftovers and reads follow it, or the document."""

from dataclasses import replace

import pytest

from lading.backends.guard.storage import GuardedStorage
from lading.plugins.errors import StorageUnavailable
from lading.service.images.removal import Removal
from lading.service.models import Import
from lading.service.models.key_templates import KeyTemplate
from lading.service.models.routing import Rule
from lading.service.secrets.vault import Vault
from lading.service.storages.mirror import mirror_of
from lading.service.storages.routes import Storages
from lading.service.storages.saving import by_rules
from lading.service.work.pipeline.importer import Importer
from tests.support.importing import Shop, shop_of
from tests.support.plugins.scripted import body_of, make_import, pieces
from tests.support.plugins.storages import ScriptedStorage, Warehouse, failing, warehouse

DOWN = StorageUnavailable("down")
RULES = (Rule.parsed("organization:acme=b"),)
TEMPLATES = (KeyTemplate.parsed("{organization}/{album}/{id}"),)


def routed(stock: Warehouse, mirror: str | None = None) -> Storages:
    stock.storages = Storages(stock.guards, "a", mirror, rules=RULES, templates=TEMPLATES)
    return stock.storages


def importer(shop: Shop, storages: Storages) -> Importer:
    return Importer(
        fetchers={"test": shop.fetcher},
        detectors=shop.detectors,
        storage=storages.backend,
        storage_name=storages.main,
        routed=by_rules(storages),
        mirror=mirror_of(storages),
        spools=shop.spools,
        vault=Vault(),
    )


def of(organization: str, storages: Storages) -> Import:
    document = make_import(organization_id=organization)
    return replace(document, key=storages.key_for(document))


@pytest.mark.gen_test
async def test_an_image_is_where_the_rule_says_under_the_key_of_the_template() -> None:
    async with warehouse() as stock:
        storages = routed(stock)
        with shop_of() as shop:
            documents = {"b": of("acme", storages), "a": of("other", storages)}
            for name, document in documents.items():
                image = (await importer(shop, storages).run(document)).image
                assert (image.storage, image.key) == (name, f"{document.organization_id}/_/{document.id}")
                assert image.import_id == document.id
                assert stock.backends[name].objects == {image.key: body_of(document.url or "")}


@pytest.mark.gen_test
async def test_the_object_of_an_earlier_attempt_is_found_where_it_is() -> None:
    async with warehouse() as stock:
        storages = routed(stock)
        with shop_of() as shop:
            document = of("acme", storages)
            before = (await importer(shop, storages).run(document)).image
            shop.fetcher.chunks = lambda _source: pieces(b"another body by now")
            again = (await importer(shop, storages).run(document)).image
            assert (again.storage, again.sha256) == ("b", before.sha256)
            assert stock.a.objects == {}


@pytest.mark.gen_test
async def test_the_outage_of_a_storage_stops_only_those_whom_a_rule_sends_there() -> None:
    async with warehouse() as stock:
        storages = routed(stock)
        stock.b.before = failing(DOWN, "save", "ping")
        with shop_of() as shop:
            here = importer(shop, storages)
            assert (await here.run(of("other", storages))).image.storage == "a"
            with pytest.raises(StorageUnavailable):
                await here.run(of("acme", storages))
            await here.ping_storage()


@pytest.mark.gen_test
async def test_the_second_copy_goes_to_the_mirror_whatever_the_rule() -> None:
    async with warehouse() as stock:
        stock.guards["c"] = GuardedStorage(ScriptedStorage(), name="c", deadline=30.0)
        storages = routed(stock, "c")
        with shop_of() as shop:
            document = of("acme", storages)
            image = (await importer(shop, storages).run(document)).image
            assert (image.places, image.is_mirrored) == (("b", "c"), True)
            assert await stock.guards["c"].exists(image.key)


@pytest.mark.gen_test
@pytest.mark.parametrize("is_ruled", [True, False], ids=["same rules", "other rules"])
async def test_what_an_attempt_has_left_goes_from_where_the_rule_has_put_it(is_ruled: bool) -> None:
    """Also where the document is gone, and nobody knows the key but the attempt, and where the rules have changed."""
    async with warehouse() as stock:
        storages = routed(stock)
        others = storages if is_ruled else replace(storages, main="a", rules=[Rule("b", organization="nobody")])
        removal = Removal(stock.store, others, stock.clock)
        with shop_of() as shop:
            cancelled, gone = of("acme", storages), of("acme", storages)
            for document in (cancelled, gone):
                await importer(shop, storages).run(document)
            ended = replace(cancelled, run_at=stock.clock.now()).cancelled(stock.clock.now())
            await stock.store.add(ended.leftover_found(stock.clock.now()))
            await removal.settle_lost(cancelled)
            assert list(stock.b.objects) == [gone.own_key]
            await removal.settle_lost(gone)
            assert stock.b.objects == {}


@pytest.mark.gen_test
async def test_a_deletion_follows_the_document_and_not_the_rule() -> None:
    async with warehouse() as stock:
        (document,) = await stock.add(1, organization_id="acme")
        storages = routed(stock)
        deleted = document.image_deleted(stock.clock.now())
        assert await stock.store.update(deleted)
        settled = await Removal(stock.store, storages, stock.clock).settle(deleted)
        assert (settled.image_purged_at is not None, stock.a.objects) == (True, {})
        assert ("delete", document.storage_key) not in stock.b.calls
