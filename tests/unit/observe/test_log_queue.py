"""A log that nobody reads blocks nothing; what is dropped of it is counted."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from lading.service.observe import logs
from lading.service.observe.log_queue import queued_lines

MORE_THAN_A_PIPE_HOLDS = "x" * 1000
LINES = 400


@contextmanager
def logging_to(descriptor: int) -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with os.fdopen(descriptor, "w") as stream:
        try:
            logs.configure("error", "json", stream)
            yield
        finally:
            root.handlers[:], level = before
            root.setLevel(level)
            structlog.reset_defaults()


def read(descriptor: int) -> list[dict[str, Any]]:
    with os.fdopen(descriptor) as file:
        return [json.loads(line) for line in file]


def test_lines_come_in_order_with_what_was_true_when_they_were_logged() -> None:
    reading, writing = os.pipe()
    with logging_to(writing), queued_lines():
        fields: dict[str, Any] = {"number": 0}
        for number in range(100):
            with structlog.contextvars.bound_contextvars(request_id=f"r{number}"):
                fields["number"] = number
                structlog.get_logger("a").error("event", fields=fields)
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            logging.getLogger("library").exception("%s", "foreign")
    *events, foreign = read(reading)
    assert [(line["request_id"], line["fields"]) for line in events] == [
        (f"r{number}", {"number": number}) for number in range(100)
    ]
    assert (foreign["event"], foreign["exception"][0]["exc_type"]) == ("foreign", "ZeroDivisionError")


def test_a_pipe_that_nobody_reads_blocks_nothing_and_tells_what_was_dropped_when_it_flows() -> None:
    reading, writing = os.pipe()
    told: list[dict[str, Any]] = []
    is_told = threading.Event()

    def read_all() -> None:
        with os.fdopen(reading) as file:
            for line in file:
                told.append(json.loads(line))
                if "count" in told[-1]:
                    is_told.set()

    reader = threading.Thread(target=read_all)
    with logging_to(writing), queued_lines(max_lines=10):
        for number in range(LINES):
            structlog.get_logger("a").error("event", number=number, text=MORE_THAN_A_PIPE_HOLDS)
        reader.start()
        assert is_told.wait(60)
        tries = 0
        while not any(line["event"] == "afterwards" for line in told):  # it may be dropped while the reader catches up
            structlog.get_logger("a").error("afterwards")
            tries += 1
            time.sleep(0.01)
    reader.join()
    counts = [line["count"] for line in told if "count" in line]
    numbers = [line["number"] for line in told if "number" in line]
    assert sum(counts) > 0
    afterwards = sum(line["event"] == "afterwards" for line in told)
    assert len(numbers) + afterwards + sum(counts) == LINES + tries
    assert numbers == sorted(numbers)


ENDS = f"""
import logging, structlog
from lading.service.observe import logs
from lading.service.observe.log_queue import queued_lines
logs.configure("error", "json")
with queued_lines():
    for number in range({LINES}):
        structlog.get_logger("a").error("event", text="{MORE_THAN_A_PIPE_HOLDS}")
print("ended")
"""


def test_a_process_ends_although_nobody_reads_its_log() -> None:
    reading, writing = os.pipe()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", ENDS], stdout=subprocess.PIPE, stderr=writing, timeout=100, check=False
        )
    finally:
        os.close(reading)
        os.close(writing)
    assert (ended.returncode, ended.stdout) == (0, b"ended\n")


def test_a_reader_that_is_gone_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with logging_to(writing), queued_lines():
        structlog.get_logger("a").error("event")
