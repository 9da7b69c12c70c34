"""From an import's parameters to its document. Each step takes a value and returns the next.

    parameters as sent -> validated -> authorised -> checked -> sealed -> the document that ``accept`` stores

Nothing here does I/O.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...plugins.contracts import Source
from ...plugins.contracts.quick import quick
from ...plugins.errors import SourceRefused
from ...plugins.net.origins import sources_of
from ...plugins.net.urls import host_of
from ..errors.catalogue import ApiError
from ..models.grants import Grant
from ..models.redaction import filtered, webhook_of
from ..secrets.vault import Vault
from .validation import ParamRules, validate


@quick
@dataclass(frozen=True, slots=True)
class RequestedImport:
    """The import that a client requests, with valid parameters.

    Attributes:
        params: as sent, with their secrets.
        sources: the urls with the headers of the fetch, in the order of the attempts; empty if the client sends the
            bytes.
        webhook_url: receives the event at the end of this import; None without a webhook.
    """

    params: Mapping[str, Any] = field(repr=False)
    sources: tuple[Source, ...]
    webhook_url: str | None = field(repr=False)


@quick
@dataclass(frozen=True, slots=True)
class SealedParams:
    """The parameters as a document keeps them.

    Attributes:
        params: without the secrets.
        secret: the secrets, encrypted by the vault; None if there are none, or if nothing will use them.
        host: of the first source, as the fetcher reads it; empty without a source.
        has_source: whether Lading can fetch the import; otherwise the import waits for its bytes.
    """

    params: Mapping[str, Any]
    secret: str | None = field(repr=False)
    host: str
    has_source: bool


def validated(params: Mapping[str, Any], rules: ParamRules, *, has_file: bool = False) -> Mapping[str, Any]:
    """Refuse parameters of a wrong type, size or form. Beside a file, the url may be empty, as HTML forms send it.

    Raises:
        ApiError: ``parameter_invalid``.
    """
    url = params.get("url")
    validate({**params, "url": None} if has_file and url == "" else params, rules)
    return params


def authorised(params: Mapping[str, Any], grant: Grant) -> RequestedImport:
    """Refuse an import that the token does not allow. The sources of the others say whose import it is.

    Raises:
        ApiError: ``forbidden``.
    """
    url, album_id = params.get("url"), params.get("album_id")
    if not grant.allows("image_upload", album_id):
        raise ApiError("forbidden", ability="image_upload")
    urls = url if isinstance(url, list) else [url] if url else []
    sources = sources_of(urls, params.get("headers") or {}, grant.organization_id, grant.issuer_id, album_id)
    return RequestedImport(params, sources, webhook_of(params))


def judged(requested: RequestedImport, check: Callable[[Source], None]) -> RequestedImport:
    """Refuse a source that can never be fetched, by ``check``, which raises ``SourceRefused``.

    Raises:
        ApiError: the code of the refusal. If there are several sources, it names the source at fault.
    """
    for number, source in enumerate(requested.sources):
        try:
            check(source)
        except SourceRefused as error:
            refusal = ApiError.from_refusal(error)
            if len(requested.sources) > 1 and refusal.parameter == "url":
                refusal.parameter = f"url[{number}]"
            raise refusal from error
    return requested


def sealed(requested: RequestedImport, vault: Vault) -> SealedParams:
    """Separate the secrets from the other parameters. Keep them if a fetch or a webhook will need them."""
    shown = filtered(requested.params)
    is_needed = bool(requested.sources or requested.webhook_url) and shown is not requested.params
    first = requested.sources[0].url if requested.sources else ""
    return SealedParams(
        params=shown,
        secret=vault.seal(requested.params) if is_needed else None,
        host=host_of(first) if first else "",
        has_source=bool(requested.sources),
    )
