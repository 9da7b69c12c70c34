"""What a client sends that is secret, on its way from the request to the fetch.

It is kept in the import's document until the import is final, apart from ``params``, which show it nowhere. With keys
([documents] encryption_keys) it is encrypted there, with Fernet (AES-128-CBC and HMAC-SHA256); without, it is not.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ...plugins.contracts import Source
from ..models import Import
from ..models.redaction import FILTERED, webhook_of

_CLEAR = "clear:"
_FERNET = "fernet:"
_KEY_BYTES = 32


class SecretsUnreadable(Exception):
    """Secrets cannot be read with the keys that there are. The message holds none of either."""


def check_key(key: str) -> None:
    """Make sure that a text is a key: 32 bytes in URL-safe base64.

    Raises:
        ValueError: it is not; the message does not hold it.
    """
    try:
        fits = len(base64.b64decode(key, altchars=b"-_", validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        fits = False
    if not fits:
        raise ValueError("is not a key of 32 bytes in URL-safe base64")


class Vault:
    """Seals and opens secrets.

    Args:
        keys: see ``check_key``. The first one encrypts, all decrypt; without any, nothing is encrypted.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def seal(self, params: Mapping[str, Any]) -> str:
        """What the fetch of an import with these parameters needs, for ``Import.sealed``."""
        secret = {name: params[name] for name in ("url", "headers", "webhook") if name in params}
        return self.seal_text(json.dumps(secret, ensure_ascii=False))

    def seal_text(self, text: str) -> str:
        """Any text, as it may be kept."""
        if self._fernet is None:
            return _CLEAR + text
        return _FERNET + self._fernet.encrypt(text.encode()).decode()

    def sources(self, document: Import) -> Sequence[Source]:
        """What is to be fetched for an import that has a url: each url is to be tried after those before it.

        Raises:
            SecretsUnreadable: none of the keys has encrypted its secrets.
        """
        if document.sealed is None:
            return [Source(url, document.headers) for url in document.urls]
        found = json.loads(self.open_text(document.sealed))
        urls = found["url"] if isinstance(found["url"], list) else [found["url"]]
        return [Source(url, found.get("headers") or {}) for url in urls]

    def webhook_url(self, document: Import) -> str | None:
        """Where the import itself wants its end to be told; None where it does not, or what is secret in it is gone.

        Raises:
            SecretsUnreadable: see ``sources``.
        """
        shown = webhook_of(document.params)
        if shown is None or document.sealed is None:
            return None if shown is not None and FILTERED in shown else shown
        return webhook_of(json.loads(self.open_text(document.sealed))) or shown

    def open_text(self, sealed: str) -> str:
        """What ``seal_text`` sealed.

        Raises:
            SecretsUnreadable: with none of the keys.
        """
        if sealed.startswith(_CLEAR):
            return sealed.removeprefix(_CLEAR)
        if self._fernet is None:
            raise SecretsUnreadable("they are encrypted, and [documents] encryption_keys has no key")
        try:
            return self._fernet.decrypt(sealed.removeprefix(_FERNET)).decode()
        except InvalidToken:
            raise SecretsUnreadable("they are encrypted with none of [documents] encryption_keys") from None
