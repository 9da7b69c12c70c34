"""The rows of a list for ``lading bulk``: what is read from each format, and what is told of a row with a fault."""

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lading.service.cli.client.bulk.failures import Failures
from lading.service.cli.client.bulk.lines import LONGEST_LINE
from lading.service.cli.client.bulk.reading import opened, parts
from lading.service.cli.client.bulk.rows import Columns, List, Row
from lading.service.cli.client.send.lists import ListFault

A, B = "http://a.example/1.jpg", "http://b.example/2.jpg"


def rows(path: Path, skipped: int = 0, form: str | None = None, common: Any = None, **columns: Any) -> Sequence[Row]:
    with opened(List(path, form, common or {}, Columns(**columns)), skipped) as found:
        return list(found)


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def params(found: Sequence[Row]) -> list[Any]:
    return [row.params for row in found]


def table(tmp_path: Path, columns: dict[str, Any], rows_of_a_group: int = 1000) -> Path:
    path = tmp_path / "list.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=rows_of_a_group)
    return path


def test_text(tmp_path: Path) -> None:
    found = rows(written(tmp_path, "a.txt", f"\ufeff{A}\n\n# a remark\n  {B}\r\nno url\n{A}"))
    assert params(found) == [{"url": A}, {"url": B}, None, {"url": A}]
    assert [row.number for row in found] == [1, 2, 3, 4]
    assert found[2].fault.startswith("it is no URL: 'no url'")


def test_ndjson(tmp_path: Path) -> None:
    lines = [
        json.dumps({"url": A, "metadata": {"n": 1}, "error": {"code": "old"}}),
        "{",
        '{"file": "a.jpg"}',
        "7",
        f'"{B}"',
    ]
    found = rows(written(tmp_path, "a.ndjson", "\n".join(lines)), common={"album_id": "x", "metadata": {"m": "2"}})
    assert found[0].params == {"url": A, "album_id": "x", "metadata": {"n": 1, "m": "2"}}
    assert params(found)[1:4] == [None, None, None]
    assert found[1].fault == "it is no JSON: '{'"
    assert found[2].fault == "'file' is for 'lading import'; a bulk has URLs"
    assert found[3].fault == "it has neither 'url' nor 'file'"
    assert found[4].params == {"url": B, "album_id": "x", "metadata": {"m": "2"}}


def test_csv_with_a_header(tmp_path: Path) -> None:
    text = f'url,filename,metadata[title]\n{A},"one,\n1.jpg",T\n{B},,\nnothing,x\n{A},1,2,3\n\n{B},2\n'
    found = rows(written(tmp_path, "a.csv", text))
    assert params(found) == [
        {"url": A, "filename": "one,\n1.jpg", "metadata": {"title": "T"}},
        {"url": B},
        None,
        None,
        {"url": B, "filename": "2"},
    ]
    assert found[2].fault == "it has no URL: 'nothing'"
    assert found[3].fault == "it has 4 fields, and there are 3 columns"


def test_csv_without_a_header_has_the_columns_of_the_service(tmp_path: Path) -> None:
    found = rows(written(tmp_path, "a.csv", f'album;{A};x,y;{{"k": "v"}}\n;{B}\n'))
    assert params(found) == [{"album_id": "album", "url": A, "tags": ["x", "y"], "metadata": {"k": "v"}}, {"url": B}]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_columns_are_named(tmp_path: Path, name: str) -> None:
    tab = "\t" if name == "a.tsv" else ","
    path = written(tmp_path, name, tab.join(("ID", "link", "TEXT")) + "\n" + tab.join(("7", A, "a cat")) + "\n")
    with pytest.raises(ListFault, match="column 'ID' is no parameter: give --metadata-column ID, or --ignore-columns"):
        rows(path, url="link", metadata=("TEXT",))
    assert params(rows(path, url="link", metadata=("TEXT",), ignores_others=True)) == [
        {"url": A, "metadata": {"TEXT": "a cat"}}
    ]
    with pytest.raises(ListFault, match="there is no column 'LINK', but 'ID', 'link', 'TEXT'"):
        rows(table(tmp_path, {"ID": ["7"], "link": [A], "TEXT": ["a"]}), url="LINK")


def test_the_column_of_urls_may_be_in_capitals(tmp_path: Path) -> None:
    assert params(rows(written(tmp_path, "a.csv", f"URL\n{A}\n"))) == [{"url": A}]
    assert params(rows(table(tmp_path, {"URL": [A]}))) == [{"url": A}]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"http://a.example/" + b"x" * LONGEST_LINE, f"it is longer than {LONGEST_LINE} bytes"),
        (b"http://a.example/\xff", "it is not UTF-8"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.ndjson"])
def test_a_row_with_a_fault_stands_alone(tmp_path: Path, name: str, line: bytes, fault: str) -> None:
    good = f'"{A}"'.encode() if name == "a.ndjson" else A.encode()
    found = rows(written(tmp_path, name, b"\n".join([good, line, good])))
    assert params(found) == [{"url": A}, None, {"url": A}]
    assert found[1].fault == fault


def test_a_field_of_csv_that_never_ends_is_a_fault(tmp_path: Path) -> None:
    text = f'url,filename\n{A},x\n{A},"open\n' + "y" * 200_000 + f"\n{B},z\n"
    found = rows(written(tmp_path, "a.csv", text))
    assert found[0].params == {"url": A, "filename": "x"}
    assert "field larger than field limit" in found[1].fault
    assert found[-1].params == {"url": B, "filename": "z"}


def test_parquet(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        {
            "url": [A, None, B, A],
            "tags": [["x"], None, [], None],
            "metadata": [{"n": 1, "when": dt.date(2026, 1, 2)}, None, {"n": None, "when": None}, None],
            "price": [Decimal("1.50"), None, None, None],
        },
    )
    found = rows(path, metadata=("price",))
    assert found[0].params == {"url": A, "tags": ["x"], "metadata": {"n": 1, "when": "2026-01-02", "price": "1.50"}}
    assert found[1].fault == "it has no URL"
    assert params(found)[2:] == [{"url": B, "tags": [], "metadata": {"n": None, "when": None}}, {"url": A}]


def test_parquet_with_metadata_as_text_and_as_a_map(tmp_path: Path) -> None:
    assert params(rows(table(tmp_path, {"url": [A], "metadata": ['{"k": "v"}']}))) == [
        {"url": A, "metadata": {"k": "v"}}
    ]
    pairs = pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string()))
    assert params(rows(table(tmp_path, {"url": [A], "metadata": pairs}))) == [{"url": A, "metadata": {"k": "v"}}]


@pytest.mark.parametrize("value", [["no json"], [b"bytes"]])
def test_parquet_with_a_value_that_json_has_not(tmp_path: Path, value: Any) -> None:
    found = rows(table(tmp_path, {"url": [A], "metadata": value}))
    assert found[0].fault.startswith("a value has no form in JSON: ")


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    with pytest.raises(ListFault, match="it is no Parquet"):
        rows(written(tmp_path, "a.parquet", "url\n"))


@pytest.mark.parametrize("skipped", [0, 1, 4, 5, 9, 10, 11])
@pytest.mark.parametrize("form", ["text", "csv", "ndjson", "parquet"])
def test_a_run_goes_on_where_the_last_one_was(tmp_path: Path, form: str, skipped: int) -> None:
    urls = [f"http://a.example/{number}" for number in range(10)]
    if form == "parquet":
        path = table(tmp_path, {"url": urls}, rows_of_a_group=4)
    else:
        lines = ["url", *urls] if form == "csv" else [json.dumps(url) if form == "ndjson" else url for url in urls]
        path = written(tmp_path, "list", "\n\n".join(lines) if form != "csv" else "\n".join(lines))
    found = rows(path, skipped, form)
    assert params(found) == [{"url": url} for url in urls[skipped:]]
    assert [row.number for row in found] == [*range(skipped + 1, 11)]


def test_a_fault_of_csv_that_an_earlier_run_has_told_is_not_told_again(tmp_path: Path) -> None:
    """It would move all further rows into other parts."""
    text = f'url,filename\n{A},"open\n' + "y" * 200_000 + f'"\n{B},z\n'
    path = written(tmp_path, "a.csv", text)
    whole = rows(path)
    assert "field larger than field limit" in whole[0].fault
    for skipped in range(len(whole) + 1):
        assert list(rows(path, skipped)) == list(whole[skipped:])


def test_failures_in_another_file_begin_where_that_ends(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    with Failures(first, 0) as failures:
        failures.add([{"url": A}, {"url": B}])
        size = failures.written
    with Failures(other, size) as failures:
        failures.add([{"url": A}])
    assert [json.loads(line) for line in other.read_text().splitlines()] == [{"url": A}]


def test_parts_are_the_same_each_time(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "".join(f"http://a.example/{number}\n" for number in range(10)))
    whole = list(parts(iter(rows(path)), 0, 4))
    assert [(part.number, len(part.rows)) for part in whole] == [(0, 4), (1, 4), (2, 2)]
    assert list(parts(iter(rows(path, 8)), 2, 4)) == whole[2:]


def test_the_total_is_known_or_guessed(tmp_path: Path) -> None:
    with opened(List(table(tmp_path, {"url": [A] * 7}), None, {}), 0) as found:
        assert found.total == 7
    path = written(tmp_path, "a.txt", f"{A}\n" * 1000)
    with opened(List(path, None, {}), 0) as found:
        assert found.total is None
    with opened(List(path, None, {}), 0) as found:
        for row, _ in zip(found, range(500), strict=False):
            assert row.params is not None
        assert found.total is not None
        assert 900 <= found.total <= 1100
