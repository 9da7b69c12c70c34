"""S3 keeps the contract on gateways that others have made, except where the declared options give something up."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import pytest

from lading.backends.s3.suite import S3Suite, s3_options
from lading.plugins.options import PluginOptions
from tests.support.servers.s3.ceph import ceph
from tests.support.servers.s3.gateways import juicefs, rclone
from tests.support.servers.s3.real import RealEndpoint

SERVERS = {"ceph": ceph, "juicefs": juicefs, "rclone": rclone}


class GatewaySuite(S3Suite):
    """With ``create_only = false``: none of them honours conditions in each request."""

    server: ClassVar[str]
    configured: ClassVar[PluginOptions | None] = None

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _served(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEndpoint]:
        with SERVERS[cls.server](tmp_path_factory.mktemp(cls.server)) as endpoint:
            cls.configured = s3_options(endpoint, endpoint.new_bucket(), create_only=False)
            yield endpoint


@pytest.mark.long_form
class TestJuiceFS(GatewaySuite):
    server = "juicefs"
    unsupported: ClassVar[Mapping[str, str]] = {
        "any_prefix": "JuiceFS refuses to list a prefix with characters such as *",
        "nested_keys": "JuiceFS has folders, as a file system has",
    }


@pytest.mark.long_form
class TestRclone(GatewaySuite):
    server = "rclone"
    unsupported: ClassVar[Mapping[str, str]] = {"nested_keys": "rclone serves a folder, as a file system has it"}


@pytest.mark.long_form
class TestCeph(GatewaySuite):
    server = "ceph"
