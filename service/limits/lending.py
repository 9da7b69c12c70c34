"""The bucket of a sender that all processes of a service share: a record in the document store that lends requests.

A process borrows a block of requests for a short time, and serves them without the store. Each loan and each return is
one compare and set on the record, whose id is made of the limit and the sender: under a changed limit, every sender
begins with a full bucket. A full bucket has no record.
"""

import hashlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ..documents import DuplicateId, StoreUnavailable
from ..documents.contention import tries
from ..documents.records import Record, RecordStore
from ..models.clock import Clock, truncate_to_milliseconds

KIND: Final = "rate"
ACTIVE: Final = 5.0
"""Seconds for which a process counts as a borrower after it has asked."""
_ROUNDING: Final = 1e-6
"""A tiny fraction of a request is a rounding error."""


class Terms(NamedTuple):
    """The limit of a sender.

    Attributes:
        name: of the policy.
        quota: requests that a full bucket holds, at least 1.
        window: seconds in which an empty bucket fills.
    """

    name: str
    quota: int
    window: int

    @property
    def rate(self) -> float:
        """Requests per second on average."""
        return self.quota / self.window

    @property
    def scarce(self) -> float:
        """A bucket with fewer requests is shared out: its sender has used up its quota, or nearly so."""
        return 2 * self.rate


class Wish(NamedTuple):
    """What a process asks a bucket for.

    Attributes:
        needed: requests that wait for the answer.
        extra: requests that the process expects soon.
        returned: requests that it does not need any more, and returns; less than 0 for requests that it has served
            while it could not ask.
    """

    needed: int = 0
    extra: int = 0
    returned: float = 0.0

    @property
    def wanted(self) -> int:
        """All requests that are asked for."""
        return self.needed + self.extra


class Loan(NamedTuple):
    """The answer of a bucket.

    Attributes:
        granted: requests that the process may serve.
        level: requests that the bucket still has.
        borrowers: processes that have asked lately, at least 1.
    """

    granted: int
    level: float
    borrowers: int


@dataclass(frozen=True, slots=True)
class Balance:
    """The state of a bucket.

    Attributes:
        level: requests that it had at ``at``.
        at: seconds of the store's clock.
        borrowers: when each process asked last.
    """

    level: float
    at: float
    borrowers: Mapping[str, float] = field(default_factory=dict)


def lend(balance: Balance | None, terms: Terms, wish: Wish, borrower: str, now: float) -> tuple[Balance, Loan]:
    """Lend, and take returns. All that is lent and not returned in any ``t`` seconds is at most ``quota + rate * t``.

    If no other process has asked lately, the process gets what it wants. Otherwise it gets an equal part of a half of
    what is left for the requests that it expects, so that it leaves some to each other process; and if little is left,
    an equal part for the requests that wait.

    Args:
        balance: None for a full bucket.
        terms: the limit.
        wish: what is asked for.
        borrower: the process.
        now: seconds of the store's clock; a clock that is behind the balance's counts as equal.
    """
    if balance is None:
        balance = Balance(terms.quota, now)
    now = max(now, balance.at)
    level = min(float(terms.quota), balance.level + (now - balance.at) * terms.rate)
    level = max(0.0, min(float(terms.quota), level + wish.returned))
    borrowers = {name: at for name, at in balance.borrowers.items() if at > now - ACTIVE}
    if wish.wanted:
        borrowers[borrower] = now
    others = len(borrowers) - (borrower in borrowers)
    available = math.floor(level + _ROUNDING)
    needed = min(wish.needed, available)
    if others and level < terms.scarce:
        needed = min(needed, max(1, available // (others + 1)))
    left = available - needed
    granted = needed + min(wish.extra, left if not others else left // (2 * (others + 1)))
    level = max(0.0, level - granted)
    return Balance(level, now, borrowers), Loan(granted, level, others + 1)


@dataclass(slots=True)
class Account:
    """A bucket, as a process knows it.

    Attributes:
        record: as the process has written it last; None if it must be read.
    """

    terms: Terms
    sender: str
    record: Record | None = None

    @property
    def record_id(self) -> str:
        """The id of its record."""
        name, quota, window = self.terms
        return hashlib.sha256(f"{name} {quota} {window} {self.sender}".encode()).hexdigest()


class Lending:
    """Asks the buckets in the document store, as one borrower. Each question is one write; if several processes ask,
    also one read.

    Args:
        records: keep the buckets.
        clock: of the document store.
    """

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._borrower = secrets.token_hex(4)

    async def ask(self, account: Account, wish: Wish) -> Loan:
        """Borrow and return.

        Raises:
            StoreUnavailable: the database does not answer. What was lent is lost, if it was.
        """
        async for _ in tries():
            record = account.record or await self._records.get(KIND, account.record_id)
            now = self._clock.now()
            balance, loan = lend(_balance_of(record), account.terms, wish, self._borrower, now.timestamp())
            written = await self._write(account, record, balance, now)
            account.record = written if loan.borrowers == 1 else None  # another process writes, too
            if written is not None:
                return loan
        raise StoreUnavailable("other processes keep getting in the way of a request limit")

    async def _write(self, account: Account, record: Record | None, balance: Balance, now: datetime) -> Record | None:
        """The written record; None if another process was quicker."""
        data = {"level": balance.level, "at": balance.at, "borrowers": dict(balance.borrowers)}
        is_full_at = balance.at + (account.terms.quota - balance.level) / account.terms.rate
        expires_at = _moment(is_full_at + ACTIVE)
        if record is not None:
            changed = record.changed(data=data, expires_at=expires_at)
            return changed if await self._records.replace(changed) else None
        created = Record(KIND, account.record_id, "", data, truncate_to_milliseconds(now), expires_at=expires_at)
        try:
            await self._records.add(created)
        except DuplicateId:
            return None
        return created


def _balance_of(record: Record | None) -> Balance | None:
    if record is None:
        return None
    return Balance(record.data["level"], record.data["at"], record.data["borrowers"])


def _moment(seconds: float) -> datetime:
    return truncate_to_milliseconds(datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=1))
