"""What clients have been told, and what they have done: the outside view of every import that was acknowledged."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

FINAL: Final = ("done", "failed", "cancelled")
KINDS: Final = (
    "lost",
    "stuck",
    "orphans",
    "dangling",
    "events missing",
    "partial",
    "twice",
    "wrong ends",
    "wrong answers",
    "wrong quotas",
    "leftovers",
    "deaths",
)
"""What an auditor counts; each is to be 0."""


@dataclass(eq=False, slots=True)
class Cargo:
    """An acknowledged import.

    Attributes:
        id: as the service gave it.
        body: the bytes of its origin, or of its client; None where it is not to become an image.
        ends: final states that are right for it by itself.
        is_shared: whether it may end with another import's image.
        is_sent: whether its client sends its bytes, and is the one to retry it.
        group: of the imports that were posted at once with equal bytes, of which one object stays; "" for others.
        batch: the batch that it came in.
        possible: final states that actions may have led to whose answers never came, too.
        decided: the only right one after an action that was acknowledged; None where ``ends`` says it.
        told: the final state that an answer showed last.
        image_id: as an answer showed it.
        image_delete, delete: "" where nobody asked for it, "asked" where no answer came, "told" where it was granted.
        has_webhook: whether it asked for its own end to be told.
        is_busy: whether a client acts on it now.
    """

    id: str
    body: bytes | None
    ends: frozenset[str]
    is_shared: bool = False
    is_sent: bool = False
    group: str = ""
    batch: str | None = None
    possible: set[str] = field(default_factory=set)
    decided: str | None = None
    told: str | None = None
    image_id: str | None = None
    image_delete: str = ""
    delete: str = ""
    has_webhook: bool = False
    is_busy: bool = False
    retries: int = 0

    @property
    def right(self) -> set[str]:
        """The final states that it may have."""
        return ({self.decided} if self.decided else set(self.ends)) | self.possible

    def saw(self, document: dict[str, Any]) -> None:
        """An answer showed how it is."""
        self.told = document["status"] if document["status"] in FINAL else None
        self.image_id = document["image_id"]


@dataclass(slots=True)
class Figures:
    """What happened and what was found, for the reader of the test's output.

    Attributes:
        name: of the store.
        seed: of everything random.
    """

    name: str
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0

    def found(self, kind: str, text: str) -> None:
        """A promise is broken; each text counts once."""
        assert kind in KINDS, kind
        texts = self.violations.setdefault(kind, [])
        if text not in texts:
            texts.append(text)

    def count(self, kind: str) -> int:
        return len(self.violations.get(kind, ()))

    def __str__(self) -> str:
        rows = [
            f"chaos on {self.name}, LADING_CHAOS_SEED={self.seed}: {self.seconds:.0f} s",
            f"  {self.kills.total()} kills: {_counts(self.kills)}",
            f"  {self.faults.total()} faults: {_counts(self.faults)}",
            *(f"  left out: {reason}" for reason in self.left_out),
            f"  {self.states.total()} imports acknowledged: {_counts(self.states)}",
            f"  actions: {_counts(self.actions)}",
            f"  seen: {_counts(self.notes)}",
            "  found: " + ", ".join(f"{self.count(kind)} {kind}" for kind in KINDS),
        ]
        return "\n".join([*rows, *self.news(since={})])

    def news(self, since: Mapping[str, int]) -> list[str]:
        """Lines that tell of what was found beyond so many of each kind."""
        lines = []
        for kind, texts in self.violations.items():
            new = texts[since.get(kind, 0) :]
            lines += [f"    {kind}: {text}" for text in new[:SHOWN]]
            if len(new) > SHOWN:
                lines.append(f"    {kind}: and {len(new) - SHOWN} more")
        return lines


SHOWN: Final = 12


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"


@dataclass(slots=True)
class Ledger:
    """All acknowledged imports, and the figures.

    Attributes:
        unchecked: those that no audit has seen final yet.
    """

    figures: Figures
    cargo: dict[str, Cargo] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)

    def add(self, cargo: Cargo) -> Cargo:
        """An import was acknowledged; the same id again is the same import."""
        self.cargo.setdefault(cargo.id, cargo)
        self.unchecked.add(cargo.id)
        return self.cargo[cargo.id]

    def changed(self, cargo: Cargo) -> None:
        """Something was done to it: it is to be looked at again."""
        self.unchecked.add(cargo.id)

    def every(self, ids: Iterable[str] | None = None) -> list[Cargo]:
        return [self.cargo[one] for one in (self.cargo if ids is None else tuple(ids))]


@dataclass
class Received:
    """What a receiver of webhooks has got.

    Attributes:
        requests: how many, refused ones included.
        events: ids of the events that were accepted, by import and type.
        accepted: ids of all events that were accepted.
        own: import and type of what imports had asked for themselves.
        forged: ids of what was not signed as it is to be.
    """

    requests: int = 0
    events: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    accepted: set[str] = field(default_factory=set)
    own: set[tuple[str, str]] = field(default_factory=set)
    forged: list[str] = field(default_factory=list)
