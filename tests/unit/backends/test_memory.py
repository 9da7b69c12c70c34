import pytest
from pydantic import ValidationError

from lading.backends.memory import MemoryStorage, MemoryStorageOptions
from lading.plugins.errors import ContentMismatch, StorageFull
from lading.plugins.options import PluginOptions
from lading.plugins.testing.bodies import Body
from lading.plugins.testing.cancellation import attempt


@pytest.mark.gen_test
async def test_all_objects_together_are_bounded() -> None:
    storage = MemoryStorage(MemoryStorageOptions(max_total_bytes=1000))
    body, rest = Body(600), Body(400)
    await storage.save("a", body.chunks(100), body.metadata)
    assert isinstance(await attempt(storage.save("b", body.chunks(100), body.metadata)), StorageFull)
    assert not await storage.exists("b")
    await storage.save("c", rest.chunks(100), rest.metadata)
    assert isinstance(await attempt(storage.ping()), StorageFull)
    await storage.delete("a")
    await storage.ping()
    await storage.save("b", body.chunks(100), body.metadata)
    await storage.close()


@pytest.mark.gen_test
async def test_a_failed_save_gives_its_room_back() -> None:
    storage = MemoryStorage(MemoryStorageOptions(max_total_bytes=1000))
    body = Body(1000)
    for _ in range(3):
        assert isinstance(await attempt(storage.save("a", Body(900).chunks(), body.metadata)), ContentMismatch)
    await storage.save("a", body.chunks(), body.metadata)
    await storage.close()


def test_options_are_checked() -> None:
    with pytest.raises(ValidationError):
        MemoryStorageOptions(max_total_bytes=0)
    with pytest.raises(TypeError):
        MemoryStorage(PluginOptions())
