"""What a fetcher raises, from the refusal of a source to the end of a body."""

from .base import PluginError


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
    plain_text = "The url is not valid."


class UrlSchemeMissing(SourceRefused):
    code = "url_scheme_missing"
    public_text = "The url has no scheme; write it in full, as in https://example.org/image.jpg."


class UrlSchemeNotAllowed(SourceRefused):
    code = "url_scheme_not_allowed"
    public_text = "The url scheme '{scheme}' is not allowed."
    plain_text = "The url scheme is not allowed."


class UrlPortNotAllowed(SourceRefused):
    code = "url_port_not_allowed"
    public_text = "The url port {port} is not allowed."
    plain_text = "The url port is not allowed."


class HeaderNotAllowed(SourceRefused):
    code = "header_not_allowed"
    public_text = "The request header '{name}' is not allowed in a fetch: {reason}."
    plain_text = "A request header is not allowed in a fetch."


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
    plain_text = "The data: url is not valid."


class FetcherBusy(FetchError):
    """No place, thread or socket for the fetch was free in time. Nothing was sent.

    The error says nothing about the origin. Lading retries the import and does not count the attempt.
    """

    code = "fetcher_busy"
    retryable = True
    public_text = "The service was too busy to begin the fetch."


class ProxyUnavailable(FetcherBusy):
    """The operator's proxy cannot be used. As with ``FetcherBusy``, no attempt counts."""

    code = "proxy_unavailable"
    public_text = "The service could not use its proxy."


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
    plain_text = "The origin was too slow."


class ConnectionLost(FetchError):
    code = "connection_lost"
    retryable = True
    public_text = "The origin closed the connection before its answer was complete."


class OriginProtocolError(FetchError):
    code = "origin_protocol_error"
    public_text = "The origin's answer is not valid: {reason}."
    plain_text = "The origin's answer is not valid."


class OriginNotFound(FetchError):
    code = "origin_not_found"
    public_text = "The origin has no such image (status {status})."
    plain_text = "The origin has no such image."


class OriginDenied(FetchError):
    code = "origin_denied"
    public_text = "The origin refused access to the image (status {status})."
    plain_text = "The origin refused access to the image."


class OriginRejected(FetchError):
    code = "origin_rejected"
    public_text = "The origin rejected the request (status {status})."
    plain_text = "The origin rejected the request."


class OriginUnavailable(FetchError):
    code = "origin_unavailable"
    retryable = True
    public_text = "The origin is currently unavailable (status {status})."
    plain_text = "The origin is currently unavailable."


class TooManyRedirects(FetchError):
    code = "too_many_redirects"
    public_text = "The origin redirected more than {limit} times."
    plain_text = "The origin redirected too many times."


class RedirectNotAllowed(FetchError):
    code = "redirect_not_allowed"
    public_text = "The origin's redirect is not allowed: {reason}."
    plain_text = "The origin's redirect is not allowed."


class ContentEncodingNotAllowed(FetchError):
    code = "content_encoding_not_allowed"
    public_text = "The origin sent a content encoding that the service did not request."


class ContentEncodingCorrupt(FetchError):
    """The body is not encoded as the origin says, or the encoded data is damaged."""

    code = "content_encoding_corrupt"
    public_text = "The origin labels the body as {coding}, but it is damaged or encoded otherwise."
    plain_text = "The body is not encoded as the origin labels it, or is damaged."


class ContentEncodingTruncated(FetchError):
    """The body came as the origin framed it, and the encoded data goes on behind its end."""

    code = "content_encoding_truncated"
    public_text = "The origin labels the body as {coding}, but the end of the data is missing."
    plain_text = "The end of the encoded body is missing."


class ContentEncodingBomb(FetchError):
    code = "content_encoding_bomb"
    public_text = "The body expands to more than {limit} times its size when its {coding} encoding is undone."
    plain_text = "The body expands too far when its encoding is undone."


class BodyTooLarge(FetchError):
    code = "body_too_large"
    public_text = "The image is larger than the limit of {limit} bytes."
    plain_text = "The image is larger than the limit."


class BodyTruncated(FetchError):
    code = "body_truncated"
    retryable = True
    public_text = "The origin sent fewer bytes than it announced."


class BodyEmpty(FetchError):
    code = "body_empty"
    public_text = "The origin sent an empty body."
