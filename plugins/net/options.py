"""The options that every fetcher with sockets needs; those of the http fetcher begin with them."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field

from ..options import CommaSeparated, PluginOptions

Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], CommaSeparated]
"""The type of an option that lists networks: ``10.1.0.0/16, fd00::/8``."""


class NetworkOptions(PluginOptions):
    """Where a fetcher may connect to, and how long that may take. Add the options of your fetcher in a subclass."""

    allow_networks: Networks = Field(
        default=(),
        description="Networks that Lading may fetch from although they are not public, such as 10.1.0.0/16.",
    )
    deny_networks: Networks = Field(
        default=(),
        description=(
            "Networks that Lading never fetches from. This list overrides allow_networks. You need not list"
            " addresses that are not public: Lading denies them anyway."
        ),
    )
    resolver: Literal["ares", "system"] = Field(
        default="ares",
        description=(
            "What looks host names up. ares asks the name servers of /etc/resolv.conf and reads /etc/hosts,"
            " without blocking threads. system uses the system's own resolver, with every service of"
            " /etc/nsswitch.conf (mDNS, LDAP); a name server that does not answer then blocks a thread for as"
            " long as the system waits. An issuer has 4 look-ups at once, and a process 16."
        ),
    )
    dns_timeout: float = Field(
        default=3,
        gt=0,
        le=60,
        description="Seconds that a name lookup may take, not counting the wait for its turn.",
    )
    connect_timeout: float = Field(
        default=5, gt=0, le=60, description="Seconds that connecting may take, including the TLS handshake."
    )
