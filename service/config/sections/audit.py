"""The section about the audit log."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ....plugins.options import PathOption
from ..fields import Section, none_if_empty


class AuditSettings(Section):
    """``[audit]``: who has changed issuers, webhooks, images, imports and pauses."""

    file: Annotated[PathOption | None, BeforeValidator(none_if_empty)] = Field(
        None,
        description=(
            "File for the events of the audit log, one JSON line each, such as /var/log/lading/audit.jsonl. Its folder"
            " must exist. Services and commands append to it. Empty keeps no file: services then write the events to"
            " their log alone, and commands write none."
        ),
    )
