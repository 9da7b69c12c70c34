"""Throw-away distributions: real metadata and real modules in a folder on ``sys.path``, as pip would leave them."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

AUTHORS_PYTEST = {
    "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:anyio -p no:hypothesispytest -p no:schemathesis -p no:tornado"
}
"""For the tests of an author: without the plugins of pytest that are here for our own, whose imports take a second."""


@dataclass(frozen=True)
class Site:
    """A folder of installed distributions, to be put on ``sys.path``."""

    folder: Path
    modules: list[str] = field(default_factory=list)

    def install(
        self,
        code: str,
        *,
        group: str,
        name: str = "probe",
        attribute: str = "Probe",
        distribution: str = "acme-probe",
        extras: str = "",
    ) -> str:
        """Install a distribution of version 1.2 with one module and one entry point; its module's name."""
        module = f"probe_{uuid.uuid4().hex}"
        self.modules.append(module)
        (self.folder / f"{module}.py").write_text(dedent(code))
        info = self.folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{attribute} {extras}\n")
        return module


FETCHER = """
    from lading.plugins.contracts import Fetcher
    from lading.plugins.options import PluginOptions

    class Probe(Fetcher):
        contract_version = 1
        kind = "url"
        schemes = frozenset({"probe"})

        def __init__(self, options): ...
        def check(self, source): ...
        def open(self, source): ...
        async def close(self): ...
"""

STORAGE = """
    from pydantic import Field, SecretStr
    from lading.plugins.contracts import StorageBackend
    from lading.plugins.options import PluginOptions

    class Options(PluginOptions):
        bucket: str
        secret: SecretStr = Field(SecretStr("none"), min_length=4)
        parts: int = 4

    class Probe(StorageBackend):
        contract_version = 1
        Options = Options

        def __init__(self, options): ...
        async def save(self, key, chunks, metadata): ...
        def open(self, key, *, offset=0, length=None): ...
        async def delete(self, key): ...
        async def exists(self, key): ...
        async def ping(self): ...
        async def close(self): ...
"""
