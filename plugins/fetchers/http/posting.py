"""One POST request and what was answered to it; see ``SupportsPosting``."""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime

from ...capabilities import PostAnswer
from ...net.urls import HttpUrl
from .client import HttpClient
from .responses import retry_after_seconds


async def post(client: HttpClient, url: HttpUrl, headers: Mapping[str, str], body: bytes) -> PostAnswer:
    """Send it. The answer's head decides: its body is not read, and ends the connection unless it is here already.

    Args:
        client: sends it to allowed addresses alone.
        url: judged already.
        headers: checked already.
        body: what to send.

    Raises:
        FetchError: no answer came.
    """
    with closing(await client.post(url, headers, body)) as response:
        answer = PostAnswer(response.status, retry_after_seconds(response.headers, datetime.now(UTC)))
        response.release()
        return answer
