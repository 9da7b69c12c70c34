"""The contract of processors: what may be done with an image between detection and storage.

The rules that ``lading.plugins.contracts`` states for every plugin hold here too.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from ..options import PluginOptions
from . import ImageInfo

MAX_FACTS_BYTES: Final = 4096
"""The largest facts of one processor about one image, in bytes of compact JSON."""
MAX_FACTS_DEPTH: Final = 8
"""How deep objects and arrays may nest in facts; the facts themselves are the first level."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A recognised image on its way to storage.

    Attributes:
        path: the file, read-only. It may be a name under ``/proc``.
        byte_size: its size in bytes.
        sha256: lower-case hexadecimal SHA-256 of its bytes.
        info: what the detectors recognised in this very file.
        organization_id: the organisation that owns the import.
        issuer_id: the issuer whose token created the import.
        album_id: the album that the client named, or None. Untrusted data.
        filename: the client's or the origin's name for the file, or None. Untrusted data, never a path.
        metadata: the metadata that the client keeps with the image, as sent. Untrusted data, maybe confidential: no
            repr.
        import_id: id of the import, the same one in each attempt; in a preflight an id that no import gets.
    """

    path: Path
    byte_size: int
    sha256: str
    info: ImageInfo
    organization_id: str
    issuer_id: str
    album_id: str | None = None
    filename: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    import_id: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """The place for the file that replaces an image: an empty file of Lading's.

    Attributes:
        path: opens the file for writing and reading, in this process and its children. It has no folder where another
            file could be made or renamed: write into the file itself. It may be a name under ``/proc``.
        max_bytes: the largest size of the file in bytes.
    """

    path: Path
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Processed:
    """What a processor has done.

    Attributes:
        replaced: whether the file at ``Output.path`` takes the place of the image. If not, the file is empty.
        facts: facts about the image for clients, as JSON: names match ``[a-z][a-z0-9_]*`` on the first level, values
            are None, bools, numbers, strings, lists, and objects with strings as names. Numbers are finite, whole
            numbers at most 2**53 - 1 from 0. At most ``MAX_FACTS_BYTES`` and ``MAX_FACTS_DEPTH``.
    """

    replaced: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


class Processor(ABC):
    """Looks at recognised images before Lading stores them: leaves, replaces or refuses each, or adds facts.

    Lading asks the configured processors in order. It recognises a new file before the next processor sees it.

    Class attributes:
        contract_version: version of this contract that the processor implements; see ``CONTRACT_VERSION``.
        Options: the options model.
    """

    contract_version: ClassVar[int]
    Options: ClassVar[type[PluginOptions]] = PluginOptions

    def __init__(self, options: PluginOptions) -> None:
        """Keep the options, an instance of ``Options``; do no I/O."""
        self.options = options

    @abstractmethod
    async def process(self, picture: Picture, output: Output) -> Processed:
        """Process one image. Its bytes are untrusted, though a detector has accepted them.

        Lading guarantees that the file of the picture is complete, readable by this user and unchanged until the call
        returns, and that nobody else uses the output. It removes both after the call, however the call ends. It may
        process the same image again, in another attempt, in another process or in a preflight that stores nothing.

        The processor opens the picture read-only, never changes it, and leaves no file, process or thread behind. It
        bounds its own CPU time and memory, of which it takes at most 200 MB in the service's process, and ends at
        ``output.max_bytes`` by itself. The same picture and the same options give the same bytes: an attempt that is
        repeated after a crash must find the object that the previous attempt stored.

        Raises:
            ImageRefused: the image must not be stored. A subclass may have a code and a text of its own.
            OutputTooLarge: the new file would be longer than ``output.max_bytes``.
            ProcessorUnavailable: a service that the processor needs does not answer. The import waits, as it waits for
                storage, and no attempt is used up.
            ProcessorStalled: wall time ran out before CPU time. Another attempt may succeed.
            ProcessError: another failure, final unless ``retryable``.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release everything; see ``lading.plugins.contracts``."""
