"""An outage is logged when it begins and when it ends."""

from structlog.testing import capture_logs

from lading.service.observe.outages import Outage


def test_one_line_when_it_begins_and_one_when_it_ends() -> None:
    outage = Outage("the database")
    with capture_logs() as lines:
        outage.worked()
        for reason in ("gone", "still gone", "still gone"):
            outage.failed(reason)
        outage.worked()
        outage.worked()
        outage.failed("again")
    assert [(line["event"], line.get("reason")) for line in lines] == [
        ("a component is down", "gone"),
        ("a component recovered", None),
        ("a component is down", "again"),
    ]
    assert {line["component"] for line in lines} == {"the database"}
