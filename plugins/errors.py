"""The one exception tree of fetchers, detectors and storages.

Every class has a stable ``code``, says whether another attempt may succeed (``retryable``), and carries the sentence
that a client reads: ``public_text``, a ``str.format`` template that the error's ``facts`` fill. ``internal`` is text
for the operator, which only the log gets. The tree does not know HTTP; ``lading.service.errors.catalogue`` maps it.

A third-party plugin raises these classes, or its own subclasses with their own codes.
"""

from collections.abc import Mapping
from typing import ClassVar


class PluginError(Exception):
    """Base of everything a plugin may raise.

    Args:
        internal: text for the operator's log. No client sees it. It must contain no secret.
        retry_after: seconds that the other side asks to wait before the next attempt (RFC 9110 section 10.2.3), or
            None.
        facts: a value for every placeholder of ``public_text``. The client sees each value.

    Raises:
        KeyError: a placeholder has no fact. The constructor raises it, so that the mistake shows where it is made.
    """

    code: ClassVar[str] = "plugin_error"
    retryable: ClassVar[bool] = False
    public_text: ClassVar[str] = "The import failed."

    def __init__(self, internal: str = "", *, retry_after: float | None = None, **facts: str | int) -> None:
        super().__init__(internal)
        self.internal = internal
        self.retry_after = retry_after
        self.facts: Mapping[str, str | int] = facts
        self.plugin: str | None = None
        """Name of the plugin that raised the error; the wrapper around the plugin sets it."""
        self.public_text.format(**facts)

    @property
    def detail(self) -> str:
        """The sentence a client may read."""
        return self.public_text.format(**self.facts)

    def __str__(self) -> str:
        stamp = f"[{self.plugin}] " if self.plugin else ""
        return f"{stamp}{self.code}: {self.detail}" + (f" ({self.internal})" if self.internal else "")


class PluginFault(PluginError):
    """A plugin raised something outside this tree, or broke its contract: a bug in the plugin."""

    code = "plugin_fault"
    public_text = "A component of the service failed unexpectedly."


class DeadlineExceeded(PluginError):
    """A plugin did not answer within the deadline that its wrapper sets."""

    code = "deadline_exceeded"
    retryable = True
    public_text = "A component of the service did not finish in time."


class PluginBlocked(PluginError):
    """A plugin blocked the event loop, and so the whole service, for too long; Lading stopped the call."""

    code = "plugin_blocked"
    public_text = "A component of the service hung and was stopped."


# --- sources and fetching ---------------------------------------------------------------------------------------------


class FetchError(PluginError):
    """Base of what a fetcher raises."""

    code = "fetch_error"
    public_text = "The image could not be fetched."


class SourceNotModified(FetchError):
    """The source still has the tag in ``Source.if_none_match``. No failure; valid only if that attribute is set."""

    code = "source_not_modified"
    public_text = "The source has not changed."


class SourceRefused(FetchError):
    """Base of refusals that depend on the source alone: the fetcher sent no request, and no attempt can succeed."""

    code = "source_refused"
    public_text = "The source is not acceptable."


class UrlInvalid(SourceRefused):
    code = "url_invalid"
    public_text = "The url is not valid: {reason}."


class UrlSchemeMissing(SourceRefused):
    code = "url_scheme_missing"
    public_text = "The url has no scheme; write it in full, as in https://example.org/image.jpg."


class UrlSchemeNotAllowed(SourceRefused):
    code = "url_scheme_not_allowed"
    public_text = "The url scheme '{scheme}' is not allowed."


class UrlPortNotAllowed(SourceRefused):
    code = "url_port_not_allowed"
    public_text = "The url port {port} is not allowed."


class HeaderNotAllowed(SourceRefused):
    code = "header_not_allowed"
    public_text = "The request header '{name}' is not allowed in a fetch: {reason}."


class AddressNotAllowed(SourceRefused):
    """The host is, or resolves to, an address that is not public unicast and that no ``allow_networks`` names."""

    code = "address_not_allowed"
    public_text = "The url leads to an address that is not allowed."


class HostNotAllowed(SourceRefused):
    """The operator's lists of host names refuse the host."""

    code = "host_not_allowed"
    public_text = "The host of the url is not allowed."


class DataUrlInvalid(SourceRefused):
    code = "data_url_invalid"
    public_text = "The data: url is not valid: {reason}."


class FetcherBusy(FetchError):
    """No place, thread or socket for the fetch was free in time. Nothing was sent.

    The error says nothing about the origin. Lading retries the import and does not count the attempt.
    """

    code = "fetcher_busy"
    retryable = True
    public_text = "The service was too busy to begin the fetch."


class HostNotFound(FetchError):
    code = "host_not_found"
    public_text = "The host of the url does not exist."


class DnsFailed(FetchError):
    code = "dns_failed"
    retryable = True
    public_text = "The host of the url could not be resolved."


class ConnectFailed(FetchError):
    code = "connect_failed"
    retryable = True
    public_text = "The service could not connect to the origin."


class TlsFailed(FetchError):
    code = "tls_failed"
    public_text = "The origin's TLS certificate or handshake is not acceptable."


class TlsIssuerUnknown(TlsFailed):
    """No trusted authority has signed the certificate, or the origin leaves out the certificate in between."""

    code = "tls_issuer_unknown"
    public_text = (
        "The issuer of the origin's TLS certificate is not trusted, or the origin does not send an intermediate"
        " certificate."
    )


class TlsSelfSigned(TlsFailed):
    code = "tls_self_signed"
    public_text = "The origin's TLS certificate is self-signed."


class TlsNameMismatch(TlsFailed):
    code = "tls_name_mismatch"
    public_text = "The origin's TLS certificate is not for the host of the url."


class TlsCertificateExpired(TlsFailed):
    code = "tls_certificate_expired"
    public_text = "The origin's TLS certificate, or one of its issuers, has expired."


class TlsCertificateNotYetValid(TlsFailed):
    code = "tls_certificate_not_yet_valid"
    public_text = "The origin's TLS certificate, or one of its issuers, is not yet valid."


class TlsHandshakeFailed(TlsFailed):
    """The handshake failed for another reason than a certificate, such as an old version, or a port without TLS."""

    code = "tls_handshake_failed"
    public_text = (
        "The TLS handshake with the origin failed: the port may not speak TLS, or no version that the service accepts."
    )


class FetchTimeout(FetchError):
    code = "fetch_timeout"
    retryable = True
    public_text = "The origin was too slow: {phase} took longer than {seconds} s."


class ConnectionLost(FetchError):
    code = "connection_lost"
    retryable = True
    public_text = "The origin closed the connection before its answer was complete."


class OriginProtocolError(FetchError):
    code = "origin_protocol_error"
    public_text = "The origin's answer is not valid HTTP: {reason}."


class OriginNotFound(FetchError):
    code = "origin_not_found"
    public_text = "The origin has no such image (status {status})."


class OriginDenied(FetchError):
    code = "origin_denied"
    public_text = "The origin refused access to the image (status {status})."


class OriginRejected(FetchError):
    code = "origin_rejected"
    public_text = "The origin rejected the request (status {status})."


class OriginUnavailable(FetchError):
    code = "origin_unavailable"
    retryable = True
    public_text = "The origin is currently unavailable (status {status})."


class TooManyRedirects(FetchError):
    code = "too_many_redirects"
    public_text = "The origin redirected more than {limit} times."


class RedirectNotAllowed(FetchError):
    code = "redirect_not_allowed"
    public_text = "The origin's redirect is not allowed: {reason}."


class ContentEncodingNotAllowed(FetchError):
    code = "content_encoding_not_allowed"
    public_text = "The origin sent a content encoding that the service did not request."


class ContentEncodingCorrupt(FetchError):
    """The body is not encoded as the origin says, or the encoded data is damaged."""

    code = "content_encoding_corrupt"
    public_text = "The origin labels the body as {coding}, but it is damaged or encoded otherwise."


class ContentEncodingTruncated(FetchError):
    """The body came as the origin framed it, and the encoded data goes on behind its end."""

    code = "content_encoding_truncated"
    public_text = "The origin labels the body as {coding}, but the end of the data is missing."


class ContentEncodingBomb(FetchError):
    code = "content_encoding_bomb"
    public_text = "The body expands to more than {limit} times its size when its {coding} encoding is undone."


class BodyTooLarge(FetchError):
    code = "body_too_large"
    public_text = "The image is larger than the limit of {limit} bytes."


class BodyTruncated(FetchError):
    code = "body_truncated"
    retryable = True
    public_text = "The origin sent fewer bytes than it announced."


class BodyEmpty(FetchError):
    code = "body_empty"
    public_text = "The origin sent an empty body."


# --- detection --------------------------------------------------------------------------------------------------------


class DetectError(PluginError):
    """Base of what a detector raises: the bytes are refused."""

    code = "detect_error"
    public_text = "The bytes could not be recognised."


class NotAnImage(DetectError):
    code = "not_an_image"
    public_text = "The bytes are not an image of a known format."


class FormatNotAllowed(DetectError):
    code = "format_not_allowed"
    public_text = "The image format {format} is not allowed."


class ImageCorrupt(DetectError):
    code = "image_corrupt"
    public_text = "The image is damaged or truncated."


class ImageNotSupported(DetectError):
    """The image's header is sound, but the decoder does not read this variant of the format."""

    code = "image_not_supported"
    public_text = "The image uses a variant of {format} that the service cannot read."

    @property
    def detail(self) -> str:
        """The sentence a client may read; the optional fact ``reason`` names the variant."""
        reason = self.facts.get("reason")
        return f"{super().detail.removesuffix('.')}: {reason}." if reason else super().detail


class TooManyPixels(DetectError):
    code = "too_many_pixels"
    public_text = "The image has more than {limit} pixels."


class SideTooLong(DetectError):
    code = "side_too_long"
    public_text = "A side of the image is longer than {limit} pixels."


class TooManyFrames(DetectError):
    code = "too_many_frames"
    public_text = "The image has more than {limit} frames."


class ImageTooComplex(DetectError):
    """Decoding needs, or needed, more memory, CPU time or scans than the limit allows.

    Wall time never causes this verdict, since a busy or paused machine spends wall time as well.
    """

    code = "image_too_complex"
    public_text = "Decoding the image needs more {resource} than the limit allows."


class DetectorCrashed(DetectError):
    """The decoding process died. Something else may have killed it, so Lading retries the import."""

    code = "detector_crashed"
    retryable = True
    public_text = "The process that decodes the image died."


class DetectorStalled(DetectError):
    """Decoding did not end in time although CPU time was left: the process hung, or the machine was busy.

    The error says nothing about the image. Lading retries the import and does not count the attempt.
    """

    code = "detector_stalled"
    retryable = True
    public_text = "The service did not decode the image in time."


# --- storage ----------------------------------------------------------------------------------------------------------


class StorageError(PluginError):
    """Base of what a storage backend raises."""

    code = "storage_error"
    public_text = "The image could not be stored."


class KeyInvalid(StorageError):
    code = "storage_key_invalid"
    public_text = "The storage key is not valid."


class ObjectExists(StorageError):
    """The key already has an object. Saves are create-only: ``save`` changed nothing."""

    code = "storage_object_exists"
    public_text = "Storage already holds an object for this import."


class ObjectNotFound(StorageError):
    code = "storage_object_not_found"
    public_text = "Storage holds no such object."


class StorageUnavailable(StorageError):
    code = "storage_unavailable"
    retryable = True
    public_text = "Storage is currently unavailable."


class StorageFull(StorageError):
    code = "storage_full"
    retryable = True
    public_text = "Storage has no space left."


class StorageDenied(StorageError):
    code = "storage_denied"
    public_text = "Storage refused access."


class ContentMismatch(StorageError):
    """The bytes streamed into ``save``, or read back, differ from the announced bytes."""

    code = "storage_content_mismatch"
    retryable = True
    public_text = "Storage received different bytes than announced."
