"""The section about the admin listener."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from ....plugins.options import CommaSeparated
from ..fields import Section, no_unix_socket, none_if_empty

HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=253, to_lower=True)]


class AdminSettings(Section):
    """``[admin]``: a listener for operators, apart from the API: metrics, liveness, readiness in detail."""

    address: Annotated[str, BeforeValidator(no_unix_socket)] = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9.:_%-]+$",
        description=(
            "IP address or host name of the admin listener. The listener asks for no token and tells what clients"
            " must not know: let only your monitoring reach it."
        ),
    )
    port: Annotated[int | None, BeforeValidator(none_if_empty)] = Field(
        None,
        ge=0,
        le=65535,
        description=(
            "Port of the admin listener, such as 9090. Empty turns the listener off. 0 picks any free port. Several"
            " processes of a service share one listener; a worker on the same machine needs a port of its own."
        ),
    )
    hosts: Annotated[tuple[HostName, ...], CommaSeparated] = Field(
        (),
        description=(
            "Names, such as lading.internal.example.org, by which tools may reach /admin/ of the admin listener. An IP"
            " address, a name without a dot, the address above and the name of the machine are always allowed."
        ),
    )
    issuer_series: int = Field(
        0,
        ge=0,
        le=1000,
        description=(
            "Number of issuers whose imports each process counts by issuer, in lading_issuer_imports_total. Further"
            " issuers count as other. 0 counts no import by issuer."
        ),
    )
