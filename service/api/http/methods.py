"""The methods of handlers."""

from tornado.web import RequestHandler


def methods_of(handler: type[RequestHandler]) -> tuple[str, ...]:
    """The methods of a handler, as ``Allow`` names them (RFC 9110 section 10.2.1)."""
    missing = RequestHandler._unimplemented_method  # noqa: SLF001  # how Tornado itself tells
    return tuple(name for name in handler.SUPPORTED_METHODS if getattr(handler, name.lower()) is not missing)
