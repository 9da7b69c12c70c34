"""URLs as attackers, browsers and tired people write them, and what becomes of each.

``ACCEPTED`` gives the canonical form; ``REFUSED`` groups by what is wrong.
"""

from collections.abc import Mapping
from typing import Final

from . import refused, refused_hosts
from .accepted import ACCEPTED

__all__ = ["ACCEPTED", "REFUSED"]

REFUSED: Final[Mapping[str, tuple[str, ...]]] = {**refused.REFUSED, **refused_hosts.REFUSED}
