"""Where a redirect leads, and what becomes of one that leads where nothing may be fetched."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import AddressNotAllowed, HostNotAllowed, RedirectNotAllowed, SourceRefused
from ...net.urls import HttpUrl, resolve_reference
from . import responses as http_responses
from .responses import RawHeaders


def redirect_target(url: HttpUrl, headers: RawHeaders, *, max_bytes: int) -> HttpUrl:
    """The URL that a redirect leads to; whether it may be asked for is not judged here.

    Args:
        url: what was asked for.
        headers: of the answer.
        max_bytes: longest URL.

    Raises:
        SourceRefused: the target is no acceptable URL.
        RedirectNotAllowed: it leads from https to http.
        OriginProtocolError: it leads to no one place.
    """
    target = resolve_reference(url, http_responses.location(headers), max_bytes=max_bytes)
    if (url.scheme, target.scheme) == ("https", "http"):
        raise RedirectNotAllowed(url.loggable, reason="it leads from https to http")
    return target


@contextmanager
def redirected_from(url: HttpUrl) -> Iterator[None]:
    """Around the judging of a target: its refusal is told as one of a redirect, or of a place where nothing may go."""
    try:
        yield
    except (AddressNotAllowed, HostNotAllowed):
        raise
    except SourceRefused as error:
        raise RedirectNotAllowed(f"{url.loggable}: {error.code}", reason="its url is not acceptable") from error
