"""Whatever the bytes, the answer is an ``ImageInfo`` or an error of ``lading.plugins.errors``; and what passes is
inert."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lading.plugins import ImageInfo
from lading.plugins.testing import Sample
from lading_svg.samples import samples
from tests.accepted import ACCEPTED
from tests.hostile import HOSTILE
from tests.support import assert_inert, outcome, svg

# The examples may share the fixture's folder.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)

SMALL = [text.encode() if isinstance(text, str) else text for text in ACCEPTED.values() if len(text) < 2000]
HOSTILE_SMALL = [text.encode() if isinstance(text, str) else text for text, _ in HOSTILE.values() if len(text) < 2000]
_MARKUP = """< > /> </ <!-- --> <![CDATA[ ]]> <?x ?> <!DOCTYPE &lt; &#0; &a; " ' <svg:g <script <style> </style>
    <title> </title> xmlns:x='urn:x' xmlns='' x: = onload= href= xlink:href= style= #a url( ) @import javascript: data:
    \\ /* */ ü 🖼"""
PARTS = st.sampled_from([*_MARKUP.split(), " ", "\n", " onload='", "\0", "\u00a0", "\ufeff"])


def judge(path: Path, document: bytes) -> None:
    if isinstance(outcome(path, document), ImageInfo):
        assert_inert(document)


@shared
@given(data=st.binary(max_size=500))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    judge(tmp_path / "image", data)


@shared
@given(parts=st.lists(PARTS, max_size=30))
def test_any_markup_in_a_document(tmp_path: Path, parts: list[str]) -> None:
    judge(tmp_path / "image", svg("".join(parts)).encode())


@shared
@given(parts=st.lists(PARTS, max_size=30))
def test_any_markup_before_a_document(tmp_path: Path, parts: list[str]) -> None:
    judge(tmp_path / "image", ("".join(parts) + svg()).encode())


@shared
@given(data=st.data())
def test_pieces_of_two_documents(tmp_path: Path, data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(SMALL)), data.draw(st.sampled_from(HOSTILE_SMALL))
    cut, again = data.draw(st.integers(0, len(one))), data.draw(st.integers(0, len(other)))
    judge(tmp_path / "image", one[:cut] + other[again:])


@shared
@given(data=st.data())
def test_changed_bytes(tmp_path: Path, data: st.DataObject) -> None:
    document = bytearray(data.draw(st.sampled_from(SMALL)))
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    judge(tmp_path / "image", bytes(document))


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_pieces_of_any_length_say_the_same(sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = outcome(tmp_path / "image", sample.data)
    for length in (4, 5, 7, 64):
        monkeypatch.setattr("lading_svg.reading.PIECE", length)
        monkeypatch.setattr("lading_svg.parsing.PIECE", length)
        assert outcome(tmp_path / "image", sample.data) == expected
