"""The one-place queue: the newest text, and the end behind it."""

import sys
import threading
import time

import pytest

from langfast_wsgi.errors import RunFailed, SessionLost
from langfast_wsgi.providers.langfast.mailbox import Ending, Mailbox, News
from tests.support.builders import patched_python, taken

# --- one at a time


def test_a_text_is_found_once() -> None:
    mailbox = Mailbox()
    mailbox.put("a")
    assert taken(mailbox, 0) == News("a", None)
    assert taken(mailbox, 0) is None


def test_the_newest_text_replaces_what_was_not_taken() -> None:
    mailbox = Mailbox()
    for text in ("a", "ab", "abc"):
        mailbox.put(text)
    assert taken(mailbox, 0) == News("abc", None)
    assert taken(mailbox, 0) is None


def test_c13_shorter_text_is_late_and_only_a_sign_of_life() -> None:
    mailbox = Mailbox()
    mailbox.put("abc")
    mailbox.put("ab")
    assert taken(mailbox, 0) == News("abc", None)
    mailbox.put("a")
    assert taken(mailbox, 0) == News(None, None)


def test_rewritten_text_of_the_same_length_counts() -> None:
    mailbox = Mailbox()
    mailbox.put("abc")
    mailbox.put("abd")
    assert taken(mailbox, 0) == News("abd", None)


def test_a_late_text_that_is_cut_inside_a_character_does_not_replace_the_whole_one() -> None:
    """Both are three characters long for Python; for the runner the second one is shorter."""
    mailbox = Mailbox()
    mailbox.put("ab😀")
    mailbox.put("ab\ud83d")
    mailbox.end("stop")
    assert taken(mailbox, 0) == News("ab😀", "stop")


def test_a_whole_character_replaces_its_half() -> None:
    mailbox = Mailbox()
    mailbox.put("ab\ud83d")
    mailbox.put("ab😀")
    assert taken(mailbox, 0) == News("ab😀", None)


def test_an_event_without_text_is_a_sign_of_life() -> None:
    mailbox = Mailbox()
    mailbox.put(None)
    assert taken(mailbox, 0) == News(None, None)


def test_the_end_comes_with_the_last_text() -> None:
    mailbox = Mailbox()
    mailbox.put("a")
    mailbox.put("ab")
    mailbox.end("stop")
    assert taken(mailbox, 0) == News("ab", "stop")


def test_the_end_of_a_text_that_was_taken_comes_alone() -> None:
    mailbox = Mailbox()
    mailbox.put("a")
    taken(mailbox, 0)
    mailbox.end("length")
    assert taken(mailbox, 0) == News(None, "length")


@pytest.mark.parametrize("second", ["length", SessionLost("gone")])
def test_c23_the_first_end_wins(second: Ending) -> None:
    mailbox = Mailbox()
    mailbox.end("stop")
    mailbox.end(second)
    assert taken(mailbox, 0) == News(None, "stop")


def test_an_end_behind_less_text_than_was_said_is_a_fault() -> None:
    for text, whole in (("ab", False), ("abc", True)):
        mailbox = Mailbox()
        mailbox.least = 3
        mailbox.put(text, "stop")
        news = taken(mailbox, 0)
        assert news is not None
        assert (news.text, news.ending == "stop") == (text, whole)


def test_a_fault_is_an_end() -> None:
    mailbox, fault = Mailbox(), RunFailed("no")
    mailbox.put("a")
    mailbox.end(fault)
    news = taken(mailbox, 0)
    assert news is not None
    assert (news.text, news.ending) == ("a", fault)


def test_c23_nothing_counts_behind_the_end() -> None:
    mailbox = Mailbox()
    mailbox.put("a")
    mailbox.end("stop")
    mailbox.put("abc")
    mailbox.interrupt(5.0)
    assert taken(mailbox, 0) == News("a", "stop")
    assert mailbox.lost_at is None
    assert taken(mailbox, 0) is None


# --- a lost socket


def test_an_interruption_wakes_the_reader_and_says_since_when() -> None:
    mailbox = Mailbox()
    mailbox.interrupt(5.0)
    assert taken(mailbox) is None, "no news, but a reason to look"
    assert mailbox.lost_at == 5.0


@pytest.mark.parametrize("text", ["a", None])
def test_the_next_sign_of_life_ends_an_interruption(text: str | None) -> None:
    mailbox = Mailbox()
    mailbox.interrupt(5.0)
    mailbox.put(text)
    assert mailbox.lost_at is None


def test_text_that_came_before_an_interruption_is_not_lost() -> None:
    mailbox = Mailbox()
    mailbox.put("a")
    mailbox.interrupt(5.0)
    assert taken(mailbox, 0) == News("a", None)
    assert mailbox.lost_at == 5.0


# --- waiting


def test_a_tick_wakes_the_reader_without_news() -> None:
    mailbox = Mailbox()
    mailbox.tick()
    assert taken(mailbox) is None
    mailbox.put("a")
    mailbox.tick()
    mailbox.tick()
    assert taken(mailbox) == News("a", None)
    assert taken(mailbox, 0) is None


def test_a_reader_waits_no_longer_than_it_said() -> None:
    begun = time.monotonic()
    assert taken(Mailbox(), 0.03) is None
    assert 0.025 < time.monotonic() - begun < 1.0


def test_a_waiting_reader_is_woken_at_once() -> None:
    mailbox = Mailbox()
    timer = threading.Timer(0.01, mailbox.put, ["a"])
    timer.start()
    begun = time.monotonic()
    assert taken(mailbox, 5.0) == News("a", None)
    assert time.monotonic() - begun < 1.0
    timer.join()


def test_a_second_writer_that_rings_in_the_same_instant_does_no_harm() -> None:
    class Bell:
        """Was rung by somebody else between the look and the ring."""

        def locked(self) -> bool:
            return True

        def release(self) -> None:
            raise RuntimeError("release unlocked lock")

    mailbox = Mailbox()
    mailbox._bell = Bell()  # type: ignore[assignment]
    mailbox.put("a")
    mailbox.end("stop")


# --- races


@pytest.fixture
def hasty() -> object:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def read_to_the_end(mailbox: Mailbox) -> News:
    text = None
    patience = time.monotonic() + 5.0
    while True:
        news = taken(mailbox, 5.0)
        assert time.monotonic() < patience, "the reader was never told"
        if news is None:
            continue  # a tick
        text = text if news.text is None else news.text
        if news.ending is not None:
            return News(text, news.ending)


@pytest.mark.usefixtures("hasty")
def test_the_end_never_overtakes_the_last_text() -> None:
    """Thousands of runs, each ended right behind its last text, read at the same time."""
    rounds = [Mailbox() for _ in range(3000)]

    def write() -> None:
        for mailbox in rounds:
            mailbox.put("a")
            mailbox.tick()
            mailbox.put("ab")
            mailbox.end("stop")

    writer = threading.Thread(target=write)
    writer.start()
    for mailbox in rounds:
        assert read_to_the_end(mailbox) == News("ab", "stop")
    writer.join()


@pytest.mark.usefixtures("hasty")
def test_of_two_writers_the_one_with_the_newer_text_wins() -> None:
    """The starter hands an early text over while the socket delivers the last one and the end."""
    rounds = [Mailbox() for _ in range(3000)]
    step = threading.Barrier(2)

    def write(text: str) -> None:
        for number, mailbox in enumerate(rounds):
            if number % 50 == 0:
                step.wait(10)
            mailbox.put(text)

    writers = [threading.Thread(target=write, args=[text]) for text in ("early", "early and late")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for mailbox in rounds:
        assert taken(mailbox, 1.0) == News("early and late", None)


def test_a_newer_text_that_comes_between_the_look_and_the_put_of_an_older_one_is_kept() -> None:
    """The same, with the two writers made to meet in the one instant that matters."""
    mailbox = Mailbox()
    writers: list[threading.Thread] = []

    class Meeting(str):
        """A text during whose measuring the other writer comes."""

        __slots__ = ()

        def __len__(self) -> int:
            if not writers:
                writers.append(threading.Thread(target=mailbox.put, args=["early and late"]))
                writers[0].start()
                writers[0].join(0.05)  # where writers take turns, it has to wait for us
            return 0

    mailbox._text = Meeting()
    mailbox.put("early")
    writers[0].join()
    assert taken(mailbox, 0) == News("early and late", None)


@pytest.mark.usefixtures("hasty")
def test_many_writers_leave_one_end_and_wake_the_reader() -> None:
    for number in range(200):
        mailbox = Mailbox()
        writers = [threading.Thread(target=mailbox.end, args=[str(one)]) for one in range(3)]
        writers += [threading.Thread(target=mailbox.interrupt, args=[1.0]) for _ in range(2)]
        for writer in writers:
            writer.start()
        found = read_to_the_end(mailbox)
        for writer in writers:
            writer.join()
        assert found.ending in {"0", "1", "2"}, number


def test_the_same_holds_for_greenlets() -> None:
    script = """
import gevent
from langfast_wsgi.providers.langfast.mailbox import Mailbox, News
from tests.support.builders import taken

def write(mailbox):
    for text in ("a", "ab", "abc"):
        mailbox.put(text)
        if len(text) % 2:
            gevent.sleep(0)
    mailbox.end("stop")

def read(mailbox):
    text = None
    while True:
        news = taken(mailbox, 2.0)
        assert news is not None
        text = news.text or text
        if news.ending:
            return text, news.ending

boxes = [Mailbox() for _ in range(500)]
readers = [gevent.spawn(read, box) for box in boxes]
writers = [gevent.spawn(write, box) for box in boxes]
gevent.joinall(writers + readers, raise_error=True)
assert all(reader.value == ("abc", "stop") for reader in readers)
assert taken(Mailbox(), 0.01) is None
box = Mailbox()
gevent.spawn_later(0.01, box.interrupt, 7.0)
assert taken(box) is None and box.lost_at == 7.0
print("held")
"""
    assert patched_python(script).strip() == "held"
