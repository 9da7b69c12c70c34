"""Writes the package of a new plugin, from templates: ``string.Template``, in files that end with ``.in``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from ....plugins.contracts import CONTRACT_VERSION, Fetcher
from ....plugins.contracts.processing import Processor
from ....plugins.host.registry import GROUPS, installed
from .catalogue import KINDS, fetchers_of

NETWORK: Final = "network"
MAX_NAME: Final = 40

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PREFIX: Final = "lading-"
_DOES: Mapping[str, str] = {
    "storage": "It keeps images as files in one folder.",
    "fetcher": "It fetches files from one folder, by URLs such as `$name:///pictures/ship.jpg`.",
    "network": "It fetches files from other machines, by URLs such as `$name://pictures.example/ship.jpg`.",
    "detector": "It recognises Farbfeld images.",
    "processor": "It cuts off what comes after the end of PNG images.",
}
_CONF: Mapping[str, str] = {
    "storage": "[storage]\nbackend = $name\n\n[storage.$name]\npath = lading-data/$name",
    "fetcher": "[fetch]\nplugins = http, data, $name\n\n[fetch.$name]\nfolder = /srv/pictures",
    "network": "[fetch]\nplugins = http, data, $name\n\n[fetch.$name]\nallow_networks =",
    "detector": "[detect]\nplugins = pillow, $name\n\n[detect.$name]\nmax_pixels = 50000000",
    "processor": "[process]\nplugins = $name\n\n[process.$name]\nmax_cut = 65536",
}
CREATED: Final = tuple(noun for noun in _DOES if noun in KINDS)
"""The nouns of the kinds of which a plugin can be created."""


class NewRefused(Exception):
    """The package is not written; the message says why."""


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """The plugin to create.

    Attributes:
        noun: one of ``CREATED``.
        name: its entry-point name.
        network: whether it is a fetcher from other machines, instead of from a folder.
    """

    noun: str
    name: str
    network: bool = False

    @property
    def template(self) -> str:
        """The key of its texts, and the folder of its templates."""
        return NETWORK if self.network else self.noun

    @property
    def distribution(self) -> str:
        """Name of the distribution and of its folder."""
        return _PREFIX + self.name

    @property
    def package(self) -> str:
        """Name of the package that is imported."""
        return self.distribution.replace("-", "_")

    @property
    def class_name(self) -> str:
        """Name of the plugin's class, which begins the names of the other classes."""
        words = self.name.split("-")
        words += [self.noun] if words[-1] != self.noun else []
        return "".join(word.capitalize() for word in words)

    @property
    def files(self) -> dict[str, str]:
        """The text of each file, by its path in the folder."""
        values = {
            "name": self.name,
            "noun": self.noun,
            "kind": KINDS[self.noun],
            "group": GROUPS[KINDS[self.noun]],
            "distribution": self.distribution,
            "package": self.package,
            "cls": self.class_name,
            "code": self.name.replace("-", "_"),
            "contract_version": str(CONTRACT_VERSION),
            "contracts": Processor.__module__ if self.noun == "processor" else Fetcher.__module__,
        }
        values["does"] = Template(_DOES[self.template]).substitute(values)
        conf = Template(_CONF[self.template]).substitute(values)
        values["conf"] = "\n".join(f"    {line}".rstrip() for line in conf.splitlines())
        return {path: _template(source).substitute(values) for path, source in self._sources().items()} | {
            f"{self.package}/py.typed": ""
        }

    def _sources(self) -> dict[str, str]:
        """The template of each file."""
        common = {
            "setup.py": "setup.py",
            "pyproject.toml": "pyproject.toml",
            "README.md": "README.md",
            f"{self.package}/__init__.py": "__init__.py",
            "tests/test_conformance.py": "test_conformance.py",
        }
        if self.template in ("storage", "fetcher", "processor"):
            common[f"{self.package}/threads.py"] = "threads.py"
        names = (f"{self.noun}.py", "suite.py", *(("origin.py",) if self.network else ()))
        own = {f"{self.package}/{file}": f"{self.template}/{file}.in" for file in names}
        return {path: f"common/{file}.in" for path, file in common.items()} | own


def new_plugin(noun: str, name: str, *, network: bool = False) -> NewPlugin:
    """The plugin of this name, with or without ``lading-`` before it.

    Raises:
        NewRefused: the name is invalid, or an installed plugin of the kind has it; or ``network`` of another kind than
            a fetcher.
    """
    if network and noun != "fetcher":
        raise NewRefused(f"only a fetcher has --network, and this is a {noun}")
    short = name.removeprefix(_PREFIX)
    if not _NAME.fullmatch(short) or len(short) > MAX_NAME:
        usual = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-0123456789")[:MAX_NAME].rstrip("-")
        hint = f"; did you mean '{usual}'?" if usual else ""
        raise NewRefused(
            f"'{name}' is not a name of 1 to {MAX_NAME} lower-case letters and digits, in words that are joined by "
            f"single hyphens and begin with a letter{hint}"
        )
    taken = next((one for one in installed(KINDS[noun]) if one.name == short), None)
    if taken is not None:
        raise NewRefused(f"a {noun} '{short}' is already installed, by {taken.distribution} {taken.version}")
    others = fetchers_of(short) if noun == "fetcher" else []
    if others:
        raise NewRefused(f"the fetcher '{others[0].name}' already serves the scheme '{short}'")
    return NewPlugin(noun, short, network)


def write(plugin: NewPlugin, directory: Path) -> Path:
    """Write the package into a new folder below the directory, which is created. Overwrites nothing. Blocks.

    Raises:
        NewRefused: the folder exists.
        OSError: it cannot be written.
    """
    folder = directory / plugin.distribution
    directory.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise NewRefused(f"{folder} already exists; nothing was written") from error
    for name, text in plugin.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _template(source: str) -> Template:
    return Template(files("lading.service.cli.plugins").joinpath("templates", source).read_text(encoding="utf-8"))
