"""Answers without a handler, after which the connection closes: no process serves, or the request cannot be read."""

import asyncio
import contextlib
import time
from typing import Final

from ....errors.catalogue import ApiError, problem_of
from ....errors.specs import reason_phrase
from ....models.representation import encode
from ..answers import PROBLEM
from ..headers import FIXED, http_date

REST_BYTES: Final = 1024 * 1024
REST_SECONDS: Final = 1.0
"""Size of the rest of a request that is read, and seconds for reading it: a connection that closes with unread bytes
is reset, and its client may lose the answer (RFC 9112 section 9.6)."""


def last_answer(error: ApiError, request_id: str, *, is_head: bool = False) -> bytes:
    """The bytes of an error answer.

    Args:
        error: the error.
        request_id: of the request.
        is_head: whether the method is HEAD, whose answer has no body.
    """
    body = encode(problem_of(error, request_id))
    retry = () if error.retry_after is None else (("Retry-After", str(error.retry_after)),)
    fields = (
        ("Date", http_date(int(time.time()))),
        *FIXED,
        ("Content-Type", f"{PROBLEM}; charset=utf-8"),
        ("X-Request-Id", request_id),
        *retry,
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
    )
    lines = [f"HTTP/1.1 {error.status.value} {reason_phrase(error.status)}", *(f"{n}: {v}" for n, v in fields)]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (b"" if is_head else body)


async def send_last(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: bytes) -> None:
    """Send the answer, read a part of the rest of the request, and close the connection. Waits ``REST_SECONDS`` at
    most, and raises nothing if the client goes.
    """
    try:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                writer.write(answer)
                writer.write_eof()
                await writer.drain()
                await _discard(reader)
    finally:
        writer.close()


async def _discard(reader: asyncio.StreamReader) -> None:
    left = REST_BYTES
    while left > 0 and (data := await reader.read(left)):
        left -= len(data)
