"""URLs as attackers, browsers and tired people write them, and what becomes of each.

``ACCEPTED`` gives the canonical form, and so does ``REPAIRED`` of URLs that only browsers read; ``REFUSED`` groups by
what is wrong.
"""

from collections.abc import Mapping
from typing import Final

from . import refused, refused_hosts
from .accepted import ACCEPTED
from .repaired import REPAIRED

__all__ = ["ACCEPTED", "REFUSED", "REPAIRED"]

REFUSED: Final[Mapping[str, tuple[str, ...]]] = {**refused.REFUSED, **refused_hosts.REFUSED}
