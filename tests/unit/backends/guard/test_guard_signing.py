"""URLs that a backend signs, behind the guard."""

from datetime import timedelta
from typing import Any

import pytest

from lading.backends.guard.capabilities import signer_of
from lading.plugins.capabilities import SupportsSignedUrls
from lading.plugins.errors import DeadlineExceeded, KeyInvalid, PluginFault, StorageDenied
from lading.plugins.testing.storage.support import KEY
from tests.unit.backends.guard.guard_support import Recorder, Scripted, guarded, hang, raising

MINUTE = timedelta(minutes=1)


class Signing(Scripted, SupportsSignedUrls):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def signed_url(self, key: str, **options: Any) -> str:
        if self.on_call is not None:
            await self.on_call()
        self.asked.append((key, options))
        return f"https://storage.example/{key}"


@pytest.mark.gen_test
async def test_what_is_asked_for_is_passed_on() -> None:
    backend, recorder = Signing(), Recorder()
    signer = signer_of(guarded(backend, observer=recorder))
    assert signer is not None
    url = await signer.signed_url(KEY, expires=MINUTE, content_type="image/png", content_disposition="inline")
    assert url == f"https://storage.example/{KEY}"
    assert backend.asked == [
        (KEY, {"expires": MINUTE, "content_type": "image/png", "content_disposition": "inline"}),
    ]
    assert recorder.seen == [("scripted", "signed_url", "ok")]


@pytest.mark.gen_test
async def test_a_backend_that_cannot_sign_has_no_signer() -> None:
    assert signer_of(guarded(Scripted())) is None


@pytest.mark.gen_test
async def test_it_has_the_care_of_every_other_call() -> None:
    backend = Signing()
    signer = signer_of(guarded(backend, deadline=0.05))
    assert signer is not None
    with pytest.raises(KeyInvalid):
        await signer.signed_url("../etc/passwd", expires=MINUTE)
    for what, expected in [
        (raising(StorageDenied("no")), StorageDenied),
        (raising(RuntimeError("a bug")), PluginFault),
        (hang, DeadlineExceeded),
    ]:
        backend.on_call = what
        with pytest.raises(expected) as caught:
            await signer.signed_url(KEY, expires=MINUTE)
        assert caught.value.plugin == "scripted"
    assert backend.asked == []
