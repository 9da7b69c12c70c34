"""Troubles that a server of the kit makes for one of its buckets, when it is asked to."""

import threading
from typing import Final
from urllib.parse import parse_qs

PATH: Final = "/lading-trouble"
"""Where a server is told: POST, with ``bucket`` and ``kind`` in the query; an empty kind ends the trouble."""
SILENCE_SECONDS: Final = 60.0

STATUSES: Final = {"down": 503, "silent": 503, "gone": 404, "denied": 403}
"""What a server answers in troubles, named as in ``lading.plugins.testing.Trouble``; ``silent``, when it has ended."""
LOST: Final = "answer_lost"


class Troubles:
    """Which bucket has which trouble. Any thread may call its methods."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._ends: dict[str, threading.Event] = {}

    def told(self, query: str) -> None:
        """Take what a client has told in a query."""
        fields = parse_qs(query, keep_blank_values=True)
        bucket, kind = fields["bucket"][0], fields["kind"][0]
        self._ends.pop(bucket, threading.Event()).set()
        self._ends[bucket] = threading.Event()
        self._kinds[bucket] = kind

    def of(self, bucket: str) -> str:
        """The trouble of the bucket, or an empty text. Of a silent one it comes when the silence has ended."""
        kind = self._kinds.get(bucket, "")
        if kind == "silent":
            self._ends[bucket].wait(SILENCE_SECONDS)
        return kind
