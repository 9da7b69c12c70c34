"""The parts of a service take over changed options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading.plugins.contracts import Source
from lading.plugins.errors import SourceRefused
from lading.service.config import load_all
from lading.service.models.clock import SystemClock
from lading.service.runtime.api_wiring import make_resources
from lading.service.runtime.signals.reloading import Configuration, Reloading
from lading.service.runtime.wiring import open_parts

SECRET = "a secret for tests, of at least 32 bytes"
DENIED = Source("http://a.example.org/x.png")
ISSUER = f"[issuer.me]\norganization_id = o\nsecret = {SECRET}\n"


@pytest.mark.gen_test
async def test_each_takes_its_own_and_nothing_else(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"
    environ = {"LADING_DOCUMENTS__BACKEND": "memory", "LADING_STORAGE__BACKEND": "memory"}

    def read() -> Configuration:
        return load_all(conf, environ)

    conf.write_text("")
    settings, components = read()
    async with open_parts(settings, components, SystemClock()) as parts:
        resources = make_resources(parts, lambda: None)
        reloading = Reloading(read, (settings, components))
        fetchers: Mapping[str, Any] = parts.importer.fetchers
        fetchers["http"].check(DENIED)
        same = fetchers["data"]._fetchers.present
        conf.write_text(
            ISSUER + "[fetch.http]\ndeny_hosts = .example.org\n[fetch.data]\nmax_bytes = 1000\n"
            "[limits]\nissuer_requests = 1\norganization_requests = 5\norganization_stored_bytes = 10\n"
        )
        assert await reloading.once(parts.reloadables.parts)
        with pytest.raises(SourceRefused):
            fetchers["http"].check(DENIED)
        assert fetchers["data"]._fetchers.present is same, "the longest body of a request is made from its limit"
        assert parts.quotas.limit == 10
        rates = resources.common.rates
        assert [(await rates.admit("i", "o")).retry_after is None for _ in range(2)] == [True, False]
        lookup = resources.common.authenticator._lookup
        assert await lookup("me") is not None

        conf.write_text("[limits]\nissuer_requests = 1\n")
        assert await reloading.once(parts.reloadables.parts)
        assert (await rates.admit("i", "o")).retry_after is not None, "a rate that has not changed counts on"
        fetchers["http"].check(DENIED)
        assert await lookup("me") is None
        assert parts.quotas.limit == 0
