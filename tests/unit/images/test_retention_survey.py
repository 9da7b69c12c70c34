"""What retention would remove is counted, and nothing is changed."""

import pytest

from lading.service.images.retention.policy import Policy
from lading.service.images.retention.survey import Share, as_json, survey
from lading.service.models import Status
from tests.unit.images.test_retention import DATA, DELETING, HOUR, opened


@pytest.mark.gen_test
async def test_a_survey_counts_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as shop:
        oldest = (await shop.done(1, issuer="one"))[0].updated_at
        shop.clock.advance(HOUR)
        await shop.done(2, issuer="one")
        failed = await shop.add(Status.FAILED, issuer="two")
        shop.clock.advance(2 * HOUR)
        await shop.done(1, issuer="one")
        before = shop.store.imports
        found = await survey(shop.store, DELETING, shop.clock.now())
        assert shop.store.imports == before
        issuer = before[0].issuer_id
        assert found == {
            (Status.DONE, issuer): Share(3, 3 * len(DATA), oldest),
            (Status.FAILED, "two"): Share(1, 0, failed.updated_at),
        }
        told = as_json(found, DELETING)
        assert (told["images"], told["imports"], told["bytes"]) == ("delete", 4, 3 * len(DATA))
        assert [(one["status"], one["imports"]) for one in told["groups"]] == [("done", 3), ("failed", 1)]
        assert await survey(shop.store, Policy(), shop.clock.now()) == {}
