"""What a client reads of a fetcher's verdicts: what was refused, never by which rule or at which address (P8).

The rules are the operator's, and an address may be that of an internal name. ``lading fetch explain`` and the log tell
them.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from ...plugins.capabilities import Finding
from ...plugins.errors import AddressNotAllowed, HostNotAllowed, UrlPortNotAllowed

MAX_FINDINGS: Final = 100
_CODES: Final = {
    "port": UrlPortNotAllowed.code,
    "host": HostNotAllowed.code,
    "address": AddressNotAllowed.code,
    "answer": "refused",
}
_STATUS: Final = re.compile(r"status [1-5][0-9]{2}(, a redirect)?")


def neutral(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as a client reads them, at most ``MAX_FINDINGS``: of each hop one for each kind of subject, which is
    allowed where all of them are.
    """
    told: dict[tuple[int, str], dict[str, Any]] = {}
    for finding in findings:
        subject = finding.subject.partition(" ")[0]
        if subject not in _CODES:
            subject = "source"  # of a plugin that is not ours
        if (finding.hop, subject) not in told and len(told) == MAX_FINDINGS:
            break
        entry = told.setdefault(
            (finding.hop, subject),
            {"hop": finding.hop, "url": finding.url, "subject": subject, "allowed": True, "rule": "allowed"},
        )
        if not finding.allowed:
            entry |= {"allowed": False, "rule": _CODES.get(subject, "refused")}
        if subject == "answer" and (status := _STATUS.match(finding.rule)):
            entry["rule"] = status[0]  # the origin's own words
    return list(told.values())
