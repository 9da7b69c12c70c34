"""The secrets of a client, on their way from the request to the fetch.

The import's document keeps them until the import is final, outside of ``params``, which never show them. With keys
([documents] encryption_keys) they are encrypted, with Fernet (AES-128-CBC and HMAC-SHA256); without keys, they are not.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ...plugins.contracts import Source
from ...plugins.net.origins import sources_of
from ..models import Import
from ..models.redaction import FILTERED, webhook_of

_CLEAR = "clear:"
_FERNET = "fernet:"
_KEY_BYTES = 32


class SecretsUnreadable(Exception):
    """No configured key decrypts the secrets. The message contains neither keys nor secrets."""


def check_key(key: str) -> None:
    """Check that a text is a key: 32 bytes in URL-safe base64.

    Raises:
        ValueError: it is not; the message does not contain the text.
    """
    try:
        fits = len(base64.b64decode(key, altchars=b"-_", validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        fits = False
    if not fits:
        raise ValueError("is not a key of 32 bytes in URL-safe base64")


class Vault:
    """Encrypts and decrypts secrets.

    Args:
        keys: see ``check_key``. The first key encrypts, all keys decrypt; without keys, nothing is encrypted.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None

    def seal(self, params: Mapping[str, Any]) -> str:
        """The secrets that the fetch of an import needs, encrypted, for ``Import.sealed``."""
        secret = {name: params[name] for name in ("url", "headers", "webhook") if name in params}
        return self.seal_text(json.dumps(secret, ensure_ascii=False))

    def seal_text(self, text: str) -> str:
        """Any text, encrypted."""
        if self._fernet is None:
            return _CLEAR + text
        return _FERNET + self._fernet.encrypt(text.encode()).decode()

    def sources(self, document: Import) -> Sequence[Source]:
        """The sources of an import with a url, in the order of the attempts.

        Raises:
            SecretsUnreadable: no key decrypts its secrets.
        """
        whose = (document.organization_id, document.issuer_id, document.album_id)
        if document.sealed is None:
            return sources_of(document.urls, document.headers, *whose)
        found = json.loads(self.open_text(document.sealed))
        urls = found["url"] if isinstance(found["url"], list) else [found["url"]]
        return sources_of(urls, found.get("headers") or {}, *whose)

    def webhook_url(self, document: Import) -> str | None:
        """The url of the import's own webhook; None without one, or if its secrets were dropped.

        Raises:
            SecretsUnreadable: see ``sources``.
        """
        shown = webhook_of(document.params)
        if shown is None or document.sealed is None:
            return None if shown is not None and FILTERED in shown else shown
        return webhook_of(json.loads(self.open_text(document.sealed))) or shown

    def open_text(self, sealed: str) -> str:
        """The text that ``seal_text`` encrypted.

        Raises:
            SecretsUnreadable: no key decrypts it.
        """
        if sealed.startswith(_CLEAR):
            return sealed.removeprefix(_CLEAR)
        if self._fernet is None:
            raise SecretsUnreadable("they are encrypted, and [documents] encryption_keys has no key")
        try:
            return self._fernet.decrypt(sealed.removeprefix(_FERNET)).decode()
        except InvalidToken:
            raise SecretsUnreadable("they are encrypted with none of [documents] encryption_keys") from None
