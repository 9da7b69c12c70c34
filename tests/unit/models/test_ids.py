"""New identifiers are UUIDs of version 4."""

import uuid

from lading.service.models.ids import new_uuid


def test_ids_are_random_uuids_as_the_library_writes_them() -> None:
    ids = [new_uuid() for _ in range(1_000)]
    parsed = [uuid.UUID(one) for one in ids]
    assert [str(one) for one in parsed] == ids
    assert {(one.version, one.variant) for one in parsed} == {(4, uuid.RFC_4122)}
    assert len(set(ids)) == len(ids)


def test_every_digit_but_the_version_s_varies() -> None:
    digits = [uuid.UUID(new_uuid()).hex for _ in range(1_000)]
    seen = [len({one[place] for one in digits}) for place in range(32)]
    assert seen == [1 if place == 12 else 4 if place == 16 else 16 for place in range(32)]
