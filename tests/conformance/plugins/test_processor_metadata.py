"""The built-in processor passes the published suite, whatever it removes."""

from typing import ClassVar

import pytest

from lading.plugins.options import PluginOptions
from lading.plugins.processors.metadata.processor import MetadataOptions, Remove
from lading.plugins.suites import MetadataSuite


class TestMetadata(MetadataSuite):
    pass


@pytest.mark.long_form
class TestMetadataOfEveryKind(MetadataSuite):
    configured: ClassVar[PluginOptions | None] = MetadataOptions(remove=Remove.ALL, threads=1)
