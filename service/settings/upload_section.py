"""The typed model of ``[uploads]``."""

from pydantic import Field

from service.settings.fields import Seconds, Section


class UploadsSettings(Section):
    """``[uploads]``: images whose bytes the client sends."""

    expire_after: Seconds = Field(
        86_400, ge=60, le=2_592_000, description="seconds for which an import waits for its bytes before it fails"
    )
