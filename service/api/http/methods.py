"""The methods of handlers."""

from tornado.web import RequestHandler


async def as_get(handler: RequestHandler, *path: str) -> None:
    """A HEAD for every handler with a GET: its answer has the fields of the answer to GET (RFC 9110 section 9.3.2).

    Tornado sends no body with it.
    """
    answered = handler.get(*path)
    if answered is not None:
        await answered


def methods_of(handler: type[RequestHandler]) -> tuple[str, ...]:
    """The methods of a handler, as ``Allow`` names them (RFC 9110 section 10.2.1)."""
    missing = RequestHandler._unimplemented_method  # noqa: SLF001  # how Tornado itself tells
    found = {name for name in handler.SUPPORTED_METHODS if getattr(handler, name.lower()) is not missing}
    if handler.head is as_get and "GET" not in found:
        found.discard("HEAD")
    return tuple(name for name in handler.SUPPORTED_METHODS if name in found)
