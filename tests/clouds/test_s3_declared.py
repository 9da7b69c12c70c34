"""The suite of S3 declares what a server or its options cannot promise, and then demands nothing of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest

from lading.backends.s3.suite import UNFINISHED, S3Harness, s3_options
from lading.plugins.options import PluginOptions
from lading.plugins.testing.clouds.processes import S3Endpoint
from lading.plugins.testing.storage.support import KEY
from tests.clouds.faults import SMALL
from tests.clouds.test_s3_faults import ERROR, requests
from tests.support.servers.cloud_proxy import cloud_proxy, refusing


class TestDeclared(S3Harness):
    configured: ClassVar[PluginOptions | None] = None

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _lenient(cls, s3_endpoint: S3Endpoint) -> None:
        cls.configured = s3_options(s3_endpoint, s3_endpoint.new_bucket(), create_only=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with cloud_proxy(self.options.endpoint) as self.proxy:
            self.options = self.options.model_copy(update={"endpoint": self.proxy.url})
            async with super().running():
                yield

    async def test_that_two_saves_may_both_win(self) -> None:
        with pytest.raises(pytest.skip.Exception, match="unsupported: create_only: create_only = false: two saves"):
            self.require("create_only")

    @pytest.mark.parametrize("status", [405, 501])
    async def test_that_uploads_cannot_be_listed(self, status: int) -> None:
        self.require(UNFINISHED)  # nothing has been declared yet
        asked = self.proxy.harm(requests("GET", r"\?uploads"), refusing(status, ERROR.format("NotImplemented")))
        async with self.opened() as storage:
            await storage.save(KEY, SMALL.chunks(), SMALL.metadata)
            await self.assert_holds(storage, KEY, SMALL)
        assert await self.leftovers() == []
        assert asked.hits > 0
        with pytest.raises(pytest.skip.Exception, match="unsupported: unfinished_uploads: the server does not know"):
            self.require(UNFINISHED)

    async def test_that_another_refusal_is_no_declaration(self) -> None:
        self.proxy.harm(requests("GET", r"\?uploads"), refusing(403, ERROR.format("AccessDenied")))
        with pytest.raises(Exception, match="AccessDenied"):
            await self.leftovers()
        self.proxy.heal()
        self.require(UNFINISHED)
