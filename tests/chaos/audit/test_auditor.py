"""The auditor is audited: it finds each kind of fault that is planted, and nothing where there is none."""

import ast
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.chaos.audit.auditor import Auditor
from tests.chaos.audit.databases import Row, Sent
from tests.chaos.audit.inspection import Inspection, Places
from tests.chaos.audit.ledger import KINDS, Cargo, Figures, Ledger, Received
from tests.chaos.clients.asking import Answer, Asking
from tests.chaos.clients.streams import Listener
from tests.chaos.harm.rig import scale_of

BODY = b"bytes of an image"
DIGEST = hashlib.sha256(BODY).hexdigest()
ORGANIZATION = "organization"
OWN = Row(
    id="aa1",
    organization=ORGANIZATION,
    status="done",
    image_id="image-1",
    key="aa/aa1",
    shared_key=None,
    byte_size=len(BODY),
    sha256=DIGEST,
    url=True,
    image_deleted=False,
    image_purged=False,
    deleted=False,
    has_leftover=False,
    announces=False,
)
SHARED = replace(OWN, id="bb2", image_id="image-2", key=None, shared_key=OWN.key)
FAILED = replace(OWN, id="cc3", status="failed", image_id=None, key=None, byte_size=0, sha256="")
EVENTS = {("aa1", "import.done"): "e1", ("bb2", "import.done"): "e2", ("cc3", "import.failed"): "e3"}


class Api(Asking):
    """Answers from what it was given."""

    def __init__(self, rows: list[Row]) -> None:
        self.answers: dict[str, Answer] = {}
        for row in rows:
            image = {"byte_size": row.byte_size, "sha256": row.sha256} if row.image_id else None
            self.show(row.id, status=row.status, image_id=row.image_id, image=image)
            if row.image_id:
                self.answers[f"/api/v1/images/{row.image_id}/content"] = Answer(200, BODY)

    def show(self, import_id: str, **fields: Any) -> None:
        body = json.dumps({"id": import_id, "error": None, **fields}).encode()
        self.answers[f"/api/v1/imports/{import_id}"] = Answer(200, body)

    async def once(self, method: str, path: str, *_: Any, **__: Any) -> Answer:
        return self.answers.get(path, Answer(404, b"{}"))

    async def until_answered(self, method: str, path: str, *_: Any, **__: Any) -> tuple[Answer, bool]:
        return await self.once(method, path), False


@dataclass
class Sound:
    """A deployment in which all is well, to be spoilt by a test."""

    rows: list[Row]
    sums: dict[str, int]
    sent: list[Sent]
    api: Api
    ledger: Ledger
    places: Places
    received: Received
    listener: Listener

    def imports(self) -> list[Row]:
        return self.rows

    def deliveries(self) -> list[Sent]:
        return self.sent

    def snapshot(self) -> tuple[list[Row], dict[str, int]]:
        return self.rows, self.sums

    def shrink(self) -> None:
        pass

    def put(self, key: str, body: bytes = BODY) -> None:
        path = self.places.images / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    async def audit(self) -> dict[str, list[str]]:
        inspection = Inspection(self.ledger, self.places)
        auditor = Auditor(self.api, self.ledger, self, inspection, self.received, [self.listener], patience=0.1)
        await auditor.settle(is_last=False)
        inspection.compare(self.rows, self.sums, is_last=True)
        inspection.compare_leftovers(self.rows)
        return self.ledger.figures.violations


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    rows = [OWN, SHARED, FAILED]
    ledger = Ledger(Figures("a store", seed=1))
    for row in rows:
        ledger.add(Cargo(row.id, BODY if row.image_id else None, frozenset({row.status}), is_shared=row is SHARED))
    received = Received(accepted=set(EVENTS.values()))
    received.events.update({fact: {event_id} for fact, event_id in EVENTS.items()})
    places = Places(*(tmp_path / name for name in ("images", "spool", "uploads")))
    for folder in (places.images / ".incoming", places.spool, places.uploads):
        folder.mkdir(parents=True)
    listener = Listener("", "", cast("Any", None), told={row.id: {"status": row.status} for row in rows})
    sent = [Sent(f"d-{event_id}", "endpoint", event_id, "delivered") for event_id in EVENTS.values()]
    found = Sound(rows, {ORGANIZATION: len(BODY)}, sent, Api(rows), ledger, places, received, listener)
    found.put("aa/aa1")
    return found


@pytest.mark.gen_test
async def test_nothing_is_found_where_all_is_well(sound: Sound) -> None:
    assert await sound.audit() == {}


def spoil_row(index: int, **changes: Any) -> Callable[[Sound], None]:
    def spoil(sound: Sound) -> None:
        sound.rows[index] = replace(sound.rows[index], **changes)

    return spoil


def store_twice(sound: Sound) -> None:
    """Two of the same group have objects of their own."""
    sound.rows[1] = replace(SHARED, key="bb/bb2", shared_key=None)
    sound.put("bb/bb2")
    sound.sums[ORGANIZATION] *= 2
    for name in ("aa1", "bb2"):
        sound.ledger.cargo[name].group = "album 1"


def cancel(sound: Sound) -> None:
    sound.rows[0] = replace(OWN, status="cancelled", image_id=None, key=None)
    sound.sums[ORGANIZATION] = 0


FAULTS: list[tuple[str, Callable[[Sound], object]]] = [
    ("lost", lambda sound: sound.api.answers.pop("/api/v1/imports/cc3")),
    ("lost", lambda sound: sound.rows.pop(2)),
    ("stuck", lambda sound: sound.api.show("cc3", status="running", image_id=None, image=None)),
    ("stuck", spoil_row(2, status="queued")),
    ("orphans", lambda sound: sound.put("dd/dd4")),
    ("orphans", cancel),
    ("dangling", lambda sound: (sound.places.images / "aa/aa1").unlink()),
    ("dangling", lambda sound: sound.api.answers.pop("/api/v1/images/image-2/content")),
    ("events missing", lambda sound: sound.listener.told["cc3"].update(status="running")),
    ("events missing", lambda sound: sound.received.events.pop(("aa1", "import.done"))),
    ("events missing", lambda sound: setattr(sound.ledger.cargo["cc3"], "has_webhook", True)),
    ("events missing", lambda sound: sound.sent.append(Sent("d", "endpoint", "e1", "pending"))),
    ("events missing", lambda sound: sound.sent.append(Sent("d", "endpoint", "e4", "delivered"))),
    ("partial", lambda sound: sound.put("aa/aa1", BODY[:5])),
    ("partial", lambda sound: sound.api.answers.update({"/api/v1/images/image-1/content": Answer(200, BODY[:5])})),
    ("twice", lambda sound: sound.put("aa/aa/aa1")),
    ("twice", store_twice),
    ("twice", spoil_row(1, key="aa/aa1", shared_key=None)),
    ("twice", lambda sound: sound.received.events["aa1", "import.done"].add("e5")),
    ("wrong ends", lambda sound: setattr(sound.ledger.cargo["cc3"], "ends", frozenset({"done"}))),
    ("wrong answers", lambda sound: sound.received.forged.append("e6")),
    ("wrong answers", lambda sound: setattr(sound.ledger.cargo["cc3"], "delete", "told")),
    ("wrong answers", lambda sound: setattr(sound.ledger.cargo["aa1"], "image_delete", "told")),
    ("wrong answers", spoil_row(2, status="cancelled")),
    ("wrong quotas", lambda sound: sound.sums.update({ORGANIZATION: 3})),
    ("wrong quotas", lambda sound: sound.put("dd/dd4")),
    ("leftovers", lambda sound: (sound.places.spool / "tmp1").touch()),
    ("leftovers", lambda sound: (sound.places.images / ".incoming/a.part").touch()),
    ("leftovers", lambda sound: (sound.places.uploads / "aa1.part").touch()),
]


@pytest.mark.parametrize(("kind", "spoil"), FAULTS)
@pytest.mark.gen_test
async def test_a_planted_fault_is_found(sound: Sound, kind: str, spoil: Callable[[Sound], object]) -> None:
    spoil(sound)
    assert kind in await sound.audit()


def test_every_kind_has_a_planted_fault() -> None:
    assert {kind for kind, _ in FAULTS} == {*KINDS} - {"deaths"}  # which is no auditor's to find


@pytest.mark.gen_test
async def test_what_a_client_has_asked_for_is_no_fault(sound: Sound) -> None:
    sound.rows.pop(2)
    sound.api.answers.pop("/api/v1/imports/cc3")
    sound.ledger.cargo["cc3"].delete = "told"
    sound.received.events["cc3", "import.deleted"].add("e7")
    sound.rows[0] = replace(OWN, status="cancelled", image_id=None, key=None, image_deleted=True)
    sound.rows[1] = replace(SHARED, key=OWN.key, shared_key=None)
    sound.ledger.cargo["aa1"].decided = "cancelled"
    sound.api.show("aa1", status="cancelled", image_id=None, image=None)
    sound.listener.told["aa1"]["status"] = "cancelled"
    sound.received.events["aa1", "import.cancelled"].add("e8")
    assert await sound.audit() == {}


@pytest.mark.gen_test
async def test_a_group_of_which_one_was_deleted_may_have_two_objects(sound: Sound) -> None:
    store_twice(sound)
    sound.ledger.cargo["aa1"].image_delete = "asked"
    assert await sound.audit() == {}


@pytest.mark.gen_test
async def test_an_import_that_waits_unknown_to_any_client_may_have_an_object(sound: Sound) -> None:
    waiting = replace(OWN, id="dd4", status="waiting", image_id=None, key=None, byte_size=0, sha256="", url=False)
    sound.rows.append(waiting)
    sound.put("dd/dd4")
    assert await sound.audit() == {}
    sound.rows[-1] = replace(waiting, status="failed")
    assert set(await sound.audit()) == {"orphans", "wrong quotas"}


def test_the_auditor_knows_no_module_of_lading() -> None:
    root = Path(__file__).parents[3]
    todo, seen = {"tests.chaos.audit.auditor"}, set[str]()
    while todo:
        name = todo.pop()
        seen.add(name)
        path = root / name.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for module in modules:
                assert module.split(".")[0] not in {"lading", "service", "backends", "plugins"}, (name, module)
                if module.startswith("tests"):
                    assert module.startswith("tests.chaos."), (name, module)
                    todo |= {module} - seen
    assert {name.rpartition(".")[2] for name in seen} == {
        "auditor", "inspection", "databases", "ledger", "streams", "asking"
    }  # fmt: skip


def test_scales_are_read_from_words() -> None:
    assert scale_of("").is_short
    assert not scale_of("").leaves_out("mongo")
    long = scale_of("long sqlite")
    assert (long.is_long, long.leaves_out("mongo"), long.leaves_out("sqlite")) == (True, True, False)
    assert (2 * long.segments * long.kills, 2 * long.segments * (long.faults or 0)) == (500, 200)
    with pytest.raises(ValueError, match="lnog"):
        scale_of("lnog")
