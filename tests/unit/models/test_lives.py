"""Transitions in any order."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lading.service.models import Status
from tests.unit.models.samples import TRANSITIONS, make_import


class Life(RuleBasedStateMachine):
    """Any order of transitions, beside a count of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.document = make_import()
        self.writes = 0
        self.claims = 0
        self.deaths = 0
        self.returns = 0

    def move(self, name: str) -> None:
        self.document = TRANSITIONS[name][0](self.document)
        self.writes += 1

    @precondition(lambda self: self.document.status is Status.QUEUED)
    @rule()
    def claim(self) -> None:
        self.move("claimed")
        self.claims += 1

    @precondition(lambda self: self.document.status is Status.RUNNING)
    @rule(name=st.sampled_from(["succeeded", "failed", "requeued", "handed_back", "recovered"]))
    def leave_running(self, name: str) -> None:
        self.move(name)
        self.deaths += name == "recovered"
        self.returns += name == "handed_back"

    @precondition(lambda self: self.document.status is Status.DONE and self.document.image_deleted_at is None)
    @rule()
    def delete_image(self) -> None:
        self.move("image_deleted")

    @rule(name=st.sampled_from(list(TRANSITIONS)))
    def try_what_is_not_allowed(self, name: str) -> None:
        if TRANSITIONS[name][1] is not self.document.status:
            with pytest.raises(ValueError, match=" is "):
                TRANSITIONS[name][0](self.document)

    @invariant()
    def everything_was_counted(self) -> None:
        assert self.document.revision == self.writes
        assert self.document.attempts == self.claims - self.returns
        assert self.document.abandoned == self.deaths <= self.document.attempts

    @invariant()
    def fields_agree_with_the_state(self) -> None:
        document = self.document
        assert (document.worker_id is not None) == (document.status is Status.RUNNING)
        assert (document.image is not None) == (document.image_id is not None) == (document.status is Status.DONE)
        assert document.image_deleted_at is None or document.status is Status.DONE
        assert document.error is None or document.status is not Status.DONE
        assert document.error is not None or document.status is not Status.FAILED


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=50, deadline=None)
