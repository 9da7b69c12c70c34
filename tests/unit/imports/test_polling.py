"""What a listener of an organisation has not read yet: bounded, and nothing of it skipped."""

from lading.service.imports.events.polling import UNREAD, Unread


def taken(unread: Unread) -> list[object]:
    return list(iter(unread.take, None))


def test_an_import_is_kept_once_as_it_is_now_in_the_order_of_the_changes() -> None:
    unread = Unread()
    for key, item in (("a", 1), ("b", 2), ("a", 3)):
        unread.put(key, item)
    assert taken(unread) == [2, 3]


def test_what_comes_after_a_gap_waits_until_the_gap_is_read() -> None:
    unread = Unread()
    for number in range(UNREAD + 50):
        unread.put(str(number), number)
    assert unread.has_missed
    assert taken(unread) == [], "it would move its listener beyond what was missed"
    unread.begin_anew()
    unread.put("later", "later")
    assert (unread.has_missed, taken(unread)) == (False, ["later"])
