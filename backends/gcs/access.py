"""Credentials for Google Cloud Storage, and the connections that use them. Every function may block."""

from typing import Any, Final

import google.auth
from google.auth.credentials import AnonymousCredentials, Signing
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud.storage import Client
from google.oauth2.service_account import Credentials as ServiceAccount
from requests.adapters import HTTPAdapter

from ...plugins.errors import StorageError
from .options import GcsStorageOptions

_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"


class _Adapter(HTTPAdapter):
    """Connections that end with the session, and not only when nobody keeps an error with an answer."""

    def close(self) -> None:
        """Close them."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - it is no mapping to be iterated
            pools[key].close()
        super().close()


def _credentials(options: GcsStorageOptions) -> Any:
    """The credentials of the options, or else of the usual chain. Reads files, and may ask the machine's metadata
    server.
    """
    if options.anonymous:
        return AnonymousCredentials()
    if options.credentials_file:
        return ServiceAccount.from_service_account_file(options.credentials_file, scopes=[_SCOPE])
    return google.auth.default(scopes=[_SCOPE])[0]


def signing(credentials: Any) -> dict[str, Any]:
    """The signer of the library's URLs: a local key, or a service of Google's with the key."""
    if isinstance(credentials, Signing):
        return {"credentials": credentials}
    if not hasattr(credentials, "service_account_email"):
        raise StorageError("the credentials for Google Cloud Storage cannot sign: use those of a service account")
    if not credentials.valid:
        credentials.refresh(Request())
    return {"service_account_email": credentials.service_account_email, "access_token": credentials.token}


def client_over(session: Any, options: GcsStorageOptions) -> Any:
    """The library's client, on a session of ``open_session``."""
    client = Client(
        project=options.project or None,
        credentials=session.credentials,
        client_options={"api_endpoint": options.endpoint} if options.endpoint else None,
        _http=session,
    )
    # For labels of traces, the library would ask about the bucket, in threads that nobody ends, and with a permission
    # that nothing else needs. It skips that if this cache exists.
    client._bucket_metadata_cache = None  # noqa: SLF001 - there is no public way
    return client


def open_session(options: GcsStorageOptions) -> Any:
    """An HTTP session that sends the credentials."""
    session = AuthorizedSession(_credentials(options))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(pool_maxsize=options.threads))
    return session
