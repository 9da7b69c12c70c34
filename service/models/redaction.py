"""The secrets in the parameters of an import, and the parameters without them.

Secrets are the values of ``headers``, the userinfo of a url, and values in its query or fragment with a telling name:
signatures, tokens, keys and the like, as in signed URLs of object stores.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ...plugins.host.schemes import scheme_of

FILTERED = "[FILTERED]"

_SECRET_NAME = re.compile(
    r"signature|token|secret|passw|passphrase|credential|session|jwt|api[-_.]?key|access[-_.]?key|key[-_.]?(?:pair[-_.]?)?id"
    r"|bearer|auth(?!or(?!i[sz]))"
    r"|^(?:sig|sign|md5|verify|hash|otp|cred|key|pwd|pass|hmac|policy|code|googleaccessid|hdnea|hdnts|hdntl|oh)$",
    re.IGNORECASE,
)
_IGNORED = dict.fromkeys(map(ord, "\t\n\r"))
_USERINFO = re.compile(r"(?<=://)[^/?#]*(?=@)")
_PARAMETER = re.compile(r"(?<=[?&;#])([^?&;#=]*)=([^&;#]+)")


def filtered(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters without their secrets; the same object if there are none. Filters nothing twice."""
    changes: dict[str, Any] = {}
    url, headers = params.get("url"), params.get("headers")
    if isinstance(url, str) and (shown := filtered_url(url)) != url:
        changes["url"] = shown
    if (
        isinstance(url, list)
        and (all_shown := [filtered_url(one) if isinstance(one, str) else one for one in url]) != url
    ):
        changes["url"] = all_shown
    if headers and isinstance(headers, Mapping) and any(value != FILTERED for value in headers.values()):
        changes["headers"] = dict.fromkeys(headers, FILTERED)
    webhook = webhook_of(params)
    if webhook is not None and (shown := filtered_url(webhook)) != webhook:
        changes["webhook"] = {**params["webhook"], "url": shown}
    return {**params, **changes} if changes else params


def has_secrets(params: Mapping[str, Any]) -> bool:
    """Whether parameters contain a secret, or the mark of a filtered secret."""
    url, headers = params.get("url"), params.get("headers")
    urls = url if isinstance(url, list | tuple) else (url,)
    for one in (*urls, webhook_of(params)):
        if isinstance(one, str) and (FILTERED in one or filtered_url(one) != one):
            return True
    return bool(headers)


def webhook_of(params: Mapping[str, Any]) -> str | None:
    """The url of the import's own webhook, or None."""
    webhook = params.get("webhook")
    if webhook is None:
        return None
    url = webhook.get("url") if isinstance(webhook, Mapping) else None
    return url if isinstance(url, str) and url else None


def filtered_url(url: str) -> str:
    """The URL with ``[FILTERED]`` instead of its secrets; scheme, host and path stay."""
    if ("=" not in url and "@" not in url) or scheme_of(url) == "data":
        return url  # no parameter has a value, and there is no userinfo
    return _PARAMETER.sub(_filtered_parameter, _USERINFO.sub(FILTERED, url))


def _filtered_parameter(match: re.Match[str]) -> str:
    name, value = match.groups()
    # A value may be a URL itself, with parameters of its own.
    # Tabs and line breaks within a URL do not count (WHATWG URL section 4.4).
    inner = [unquote(name.translate(_IGNORED)), *(nested for nested, _ in _PARAMETER.findall(unquote(value)))]
    return f"{name}={FILTERED}" if any(map(_SECRET_NAME.search, inner)) else match[0]
