"""Plays a service for an operation: answers that a test wrote down, on a clock that runs by pauses alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lading.client.errors import ServerNotReachable
from lading.client.operations import Operations
from lading.client.retries import DEFAULT, Retry
from lading.client.steps import END, Call, Drive, Emit, Failed, Head, Next, Open, Pause, Request, Take

CUT = ServerNotReachable("cut", was_sent=True)
REFUSED = ServerNotReachable("refused", was_sent=False)


@dataclass(frozen=True)
class Answer:
    """An answer: its status, its body in pieces, its headers. An error among the pieces cuts it off."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def pieces(self) -> list[Any]:
        if isinstance(self.body, list):
            return list(self.body)
        return [self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()]


class Played:
    """What came of an operation.

    Attributes:
        requests: that were sent.
        times: when, on the clock of the operation.
        pauses: seconds of each.
        emitted: the results of an operation with many.
        result: of another one.
    """

    def __init__(self, retry: Retry = DEFAULT, *, follow_redirects: bool = False) -> None:
        self.requests: list[Request] = []
        self.times: list[float] = []
        self.pauses: list[float] = []
        self.emitted: list[Any] = []
        self.result: Any = None
        self.now = 1000.0
        self.operations = Operations(
            "http://service.example", retry, follow_redirects, clock=lambda: self.now, chance=lambda: 0.0
        )

    def play(self, operation: Any, answers: Sequence[Answer | Exception]) -> "Played":
        """Do every step; the answers must suffice, and be needed."""
        left = list(answers)
        pieces: list[Any] = []
        with Drive(operation) as drive:
            for step in drive:
                match step:
                    case Open(request):
                        self.requests.append(request)
                        self.times.append(self.now)
                        answer = left.pop(0)
                        if isinstance(answer, Exception):
                            drive.answer = Failed(answer)
                            continue
                        pieces = answer.pieces
                        drive.answer = Head(
                            answer.status, {name.lower(): value for name, value in answer.headers.items()}
                        )
                    case Next():
                        piece = pieces.pop(0) if pieces else b""
                        drive.answer = Failed(piece) if isinstance(piece, Exception) else piece
                    case Pause(seconds):
                        self.pauses.append(seconds)
                        self.now += seconds
                    case Call(function):
                        drive.answer = function()
                    case Take(source):
                        drive.answer = next(source, END)
                    case Emit(value):
                        self.emitted.append(value)
            self.result = drive.result
        assert not left, "the operation did not need all answers"
        return self


IMPORT = {
    "id": "f60ae96b-2681-4885-8437-356e9fae9f6e",
    "organization_id": "my-organization",
    "image_id": None,
    "import_type": None,
    "album_id": "holidays",
    "params": {"album_id": "holidays", "url": "https://www.example.org/photo.jpg"},
    "created_at": "2026-08-01T12:00:00.000+00:00",
    "updated_at": "2026-08-01T12:00:00.000+00:00",
}


def shown(status: str, **more: Any) -> dict[str, Any]:
    """The document of an import in a state."""
    return {**IMPORT, "status": status, "attempts": 1, "error": None, "image": None, **more}


def problem(status: int, code: str, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """An error of the service."""
    body = {"status": status, "code": code, "detail": "A sentence.", "request_id": "r-1", **more}
    return Answer(status, body, headers or {})
