"""The part of a process in the bucket of a sender: requests that it has borrowed, and may serve without the store.

Nearly every request takes a borrowed one and waits for nothing. A request waits for the store if the process has none:
the first after a silence of ``HOLD`` seconds, and others that come while the store is asked. If the store does not
answer, the process goes on with a bucket of its own, of a part of the quota and of what the bucket had. Later it tells
the store how many requests it has served alone.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ...plugins.host.turns import on_behalf_of_all
from ..documents import StoreUnavailable
from .alone import Alone
from .lending import Account, Lending, Loan, Terms, Wish

HOLD: Final = 2.0
"""Seconds for which a borrowed request may be served. So the processes together never serve more than
``quota + rate * (t + HOLD)`` requests in ``t`` seconds."""
PERIOD: Final = 1.0
"""Seconds for which a process borrows, and between two questions of a process that wants more than there is."""
MORE: Final = 1.2
"""A process borrows so many times as many requests as it had in the last period."""
RECHECK: Final = 5.0
"""Seconds after which an empty bucket is asked again: another process may have returned requests."""
MEMORY: Final = 60.0
"""Seconds after which a smaller number of processes counts."""
PATIENCE: Final = 1.0
"""Seconds that the store has for an answer."""
_ROUNDING: Final = 1e-6


@dataclass(slots=True)
class Surroundings:
    """What the parts of a process have in common.

    Attributes:
        lending: asks the buckets.
        configured: processes that share the limits as far as the configuration says, at least 1.
        now: gives monotonic seconds.
        rng: keeps processes that ask again and again from doing so in step, where the first would always win.
        failed: called with the reason when the store did not answer.
        worked: called when it has answered.
    """

    lending: Lending
    configured: int = 1
    now: Callable[[], float] = time.monotonic
    rng: random.Random = field(default_factory=random.Random)
    failed: Callable[[str], None] = lambda _: None
    worked: Callable[[], None] = lambda: None
    _seen: int = 1
    _seen_at: float = -math.inf

    @property
    def processes(self) -> int:
        """Processes that share the limits, as far as is known."""
        return max(self.configured, self._seen)

    def saw(self, borrowers: int) -> None:
        """A bucket told of so many borrowers. The largest number of the last minute counts."""
        now = self.now()
        if borrowers >= self._seen or now - self._seen_at > MEMORY:
            self._seen, self._seen_at = borrowers, now


class Borrower:
    """The part of this process in one bucket. It belongs to one event loop."""

    def __init__(self, terms: Terms, sender: str, around: Surroundings) -> None:
        self._account = Account(terms, sender)
        self._around = around
        self._alone = Alone(terms.window)
        self._held = 0
        self._lent_at = self._asked_at = -math.inf
        self._used_at = around.now()
        self._level, self._known_at, self._borrowers = float(terms.quota), around.now(), 1
        self._free_at = self._recheck_at = self._away_until = -math.inf
        self._demand = self._block = self._debt = 0
        self._is_alone = False
        self._waiters: deque[asyncio.Future[bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def terms(self) -> Terms:
        """The limit."""
        return self._account.terms

    # --- requests -----------------------------------------------------------------------------------------------------

    async def take(self) -> bool:
        """Take a request; False if the limit does not allow it now: see ``wait``. It waits for the store for
        ``PATIENCE`` at most for each question, and for nothing if the process has borrowed requests.
        """
        now = self._used_at = self._around.now()
        self._demand += 1
        if self._has(now):
            self._held -= 1
            if not self._held and self._is_worth_asking(now):
                self._ask_aside()
            return True
        if self.wait() > 0:
            return False
        if now < self._away_until:
            return self._take_alone(now)
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._ask_aside()
        return await waiter

    def _take_alone(self, now: float) -> bool:
        is_served = self._alone.take(self._part, now)
        self._debt += is_served
        return is_served

    def give_back(self, lent_at: float) -> None:
        """Return a request that ``take`` has given, and that was not served.

        Args:
            lent_at: ``lent_at`` after ``take``. A request of an earlier block is dropped.
        """
        if lent_at == self._lent_at:
            self._held += 1
            self._expect_leftovers()

    @property
    def lent_at(self) -> float:
        """When the present block was lent."""
        return self._lent_at

    def wait(self) -> float:
        """Seconds until the next request may be served, as far as this process knows; 0 if it may now, or if the store
        must be asked.
        """
        now = self._around.now()
        if self._has(now):
            return 0.0
        if now < self._recheck_at:
            return max(0.0, self._free_at - now)
        if now < self._away_until:
            return self._alone.wait(self._part, now)
        return 0.0

    def missing(self) -> float:
        """Requests that are missing in the bucket, as far as this process knows. What other processes hold is missing,
        and what they have borrowed since the last answer is not known.
        """
        now, quota = self._around.now(), self.terms.quota
        if now < self._away_until:
            return float(quota - min(quota, self._alone.level(self._part, now)))
        return max(0.0, quota - self._bucket_level(now) - self._held)

    def _bucket_level(self, now: float) -> float:
        """Requests that the bucket has, if no other process has borrowed since the last answer."""
        return min(float(self.terms.quota), self._level + (now - self._known_at) * self.terms.rate)

    @property
    def is_idle(self) -> bool:
        """Whether this process may forget the sender: nothing but the store's record is lost."""
        now = self._around.now()
        is_quiet = now - self._used_at > HOLD and now >= max(self._recheck_at, self._away_until)
        return is_quiet and not self.is_busy and not self._held and self._alone.is_full(now)

    @property
    def is_busy(self) -> bool:
        """Whether the store is being asked."""
        return self._task is not None

    # --- the store ----------------------------------------------------------------------------------------------------

    def expire(self) -> None:
        """Return what was not served within ``HOLD``. A timer calls this; tests do, too."""
        self._timer = None
        now = self._around.now()
        if self._has(now):
            self._expect_leftovers()
        elif self._returnable(now) > 0:
            self._ask_aside()
        else:
            self._held = 0

    async def close(self) -> None:
        """Ask the store no more. What is borrowed is lost, as if the process had been killed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def settled(self) -> None:
        """Wait until no question is under way."""
        while self._task is not None:
            await asyncio.wait((self._task,))
            await asyncio.sleep(0)

    def _ask_aside(self) -> None:
        if self._task is None:
            with on_behalf_of_all():  # requests of several issuers may wait for the answer
                self._task = asyncio.create_task(self._ask(), name="request limit")
            self._task.add_done_callback(self._asked)

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if self._waiters and not task.cancelled():
            self._ask_aside()

    async def _ask(self) -> None:
        """Ask until nobody waits."""
        try:
            while True:
                now = self._around.now()
                self._waiters = deque(one for one in self._waiters if not one.done())
                debt = self._debt
                wish = Wish(len(self._waiters), self._foreseen(now), self._returnable(now) - debt)
                self._held = 0
                try:
                    async with asyncio.timeout(PATIENCE):
                        loan = await self._around.lending.ask(self._account, wish)
                except (StoreUnavailable, TimeoutError) as error:
                    self._failed(str(error) or "no answer in time")
                    return
                self._around.worked()
                self._debt -= debt
                self._is_alone = False
                self._lent(loan, wish, asked_at=now)
                if not self._waiters:
                    return
        except BaseException:
            while self._waiters:
                self._waiters.popleft().cancel()
            raise

    def _lent(self, loan: Loan, wish: Wish, *, asked_at: float) -> None:
        now, terms = self._around.now(), self.terms
        self._held, self._lent_at, self._asked_at = loan.granted, asked_at, asked_at
        self._block, self._demand = loan.granted, 0
        self._level, self._known_at, self._borrowers = loan.level, now, loan.borrowers
        self._around.saw(loan.borrowers)
        if loan.granted < wish.needed or (loan.granted < wish.wanted and loan.level < terms.scarce):
            pause = min(PERIOD, terms.window / 4) * self._around.rng.uniform(0.7, 1.0)
            self._free_at = now + max(pause, (1 - loan.level) / terms.rate)
            self._recheck_at = min(self._free_at, now + RECHECK)
        while self._waiters and self._has(now):
            self._answer(is_served=True)
        while self._waiters and loan.granted < wish.needed:
            self._answer(is_served=False)
        self._expect_leftovers()

    def _answer(self, *, is_served: bool) -> None:
        """Answer the request that has waited for longest, if its client still waits."""
        waiter = self._waiters.popleft()
        if not waiter.done():
            waiter.set_result(is_served)
            self._held -= is_served

    def _failed(self, reason: str) -> None:
        self._around.failed(reason)
        self._account.record = None  # it may have been written
        now = self._around.now()
        if not self._is_alone:
            self._is_alone = True
            self._alone.begin(self._bucket_level(now) / self._around.processes, self._part, now)
        self._away_until = now + PERIOD
        while self._waiters:
            if not (waiter := self._waiters.popleft()).done():
                waiter.set_result(self._take_alone(now))

    def _expect_leftovers(self) -> None:
        if self._held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HOLD + 0.1, self.expire)

    def _has(self, now: float) -> bool:
        """Whether the process has a request to serve."""
        return self._held > 0 and now - self._lent_at <= HOLD

    def _is_worth_asking(self, now: float) -> bool:
        """Whether further requests are expected and the bucket may lend some."""
        is_open = now >= max(self._recheck_at, self._away_until)
        least = 1 if self._borrowers == 1 else 2 * self._borrowers
        return is_open and self._level >= least and self._foreseen(now) > 0

    def _foreseen(self, now: float) -> int:
        """Requests that are expected within the next period: as many as in the last, at most twice the last block."""
        elapsed = now - self._asked_at
        if elapsed > HOLD:
            return 0
        rate = self._demand / max(elapsed, _ROUNDING)
        return min(2 * max(1, self._block), math.ceil(MORE * PERIOD * rate))

    def _returnable(self, now: float) -> float:
        """What this process returns. The bucket may have been full meanwhile and have filled nothing up, if this
        process had not borrowed: so as many as it has filled up since are not returned.
        """
        return max(0.0, self._held - (now - self._lent_at) * self.terms.rate) if self._held else 0.0

    @property
    def _part(self) -> int:
        """The quota of this process while the store is away."""
        return max(1, self.terms.quota // self._around.processes)
