"""The processor ``clamav``: refuses images in which a running clamd finds malware."""

import re
from enum import StrEnum
from typing import Final

from pydantic import Field, field_validator

from ...capabilities import SupportsPing
from ...contracts import CONTRACT_VERSION
from ...contracts.processing import Output, Picture, Processed, Processor
from ...errors import ImageNotScanned, MalwareFound, ProcessError, ProcessorUnavailable
from ...options import PluginOptions
from .clamd import Clamd, host_and_port

_FOUND: Final = " FOUND"
_TOO_LONG: Final = "INSTREAM size limit exceeded"
_LIMITS: Final = "Heuristics.Limits.Exceeded"
"""With ``AlertExceedsMax``, a file beyond MaxFileSize, MaxScanSize or MaxScanTime is called so (clamd.conf(5))."""
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._:/()+-]+")
"""What the name of a signature has not, in a text for clients."""
_MAX_NAME: Final = 100


class TooLong(StrEnum):
    """What becomes of an image that is longer than clamd accepts."""

    REFUSE = "refuse"
    KEEP = "keep"


class ClamavOptions(PluginOptions):
    """``[process.clamav]``."""

    address: str = Field(
        "/run/clamav/clamd.ctl",
        min_length=1,
        description="Where clamd listens: the path of its socket (LocalSocket), or host:port (TCPSocket).",
    )
    timeout: float = Field(
        60.0,
        ge=0.1,
        le=3600,
        description="Seconds to wait for clamd's reply about an image. Then the import waits and is tried again.",
    )
    too_long: TooLong = Field(
        TooLong.REFUSE,
        description=(
            "Images that are beyond the limits in clamd.conf: refuse fails the import, keep stores the image without"
            " a scan."
        ),
    )

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        if not address.startswith("/"):
            host_and_port(address)
        return address


class ClamavProcessor(Processor, SupportsPing):
    """Sends each file to clamd. It changes no image, and adds no facts."""

    contract_version = CONTRACT_VERSION
    Options = ClamavOptions

    def __init__(self, options: ClamavOptions) -> None:
        super().__init__(options)
        self._clamd = Clamd(options.address, options.timeout)
        self._keeps = options.too_long is TooLong.KEEP
        self._is_closed = False

    async def process(self, picture: Picture, output: Output) -> Processed:  # noqa: ARG002 - it makes no file
        """See ``Processor.process``.

        Raises:
            MalwareFound: clamd finds malware.
            ImageNotScanned: the file is longer than clamd accepts.
            ProcessorUnavailable: clamd does not answer, or its engine failed.
        """
        self._check_open()
        reply = await self._clamd.scan(picture.path)
        if reply == "OK":
            return Processed()
        is_too_long = reply.startswith((_TOO_LONG, _LIMITS))
        if reply.endswith(_FOUND) and not is_too_long:
            signature = _UNSAFE.sub("_", reply.removesuffix(_FOUND))[:_MAX_NAME]
            raise MalwareFound(f"clamd says {reply!r:.200}", signature=signature)
        if not is_too_long:
            raise ProcessorUnavailable(f"clamd says {reply!r:.200}")
        if self._keeps:
            return Processed()
        raise ImageNotScanned(f"clamd's limits are less than {picture.byte_size} bytes: {reply!r:.200}")

    async def ping(self) -> None:
        """See ``SupportsPing.ping``."""
        self._check_open()
        await self._clamd.ping()

    async def close(self) -> None:
        """See ``Processor.close``."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise ProcessError("the processor is closed")
