"""Which event belongs to whose mailbox."""

import sys
import threading

import pytest

from langfast_wsgi.errors import RunFailed, SessionLost, UpstreamGarbled
from langfast_wsgi.providers.langfast.inbox import (
    EARLY_CHARACTERS,
    EARLY_IDS,
    EARLY_SECONDS,
    REMEMBERED_IDS,
    Inbox,
    Update,
)
from langfast_wsgi.providers.langfast.mailbox import Mailbox, News
from tests.support.builders import counted, taken
from tests.support.clock import FakeClock

DROPPED = "langfast_dropped_events_total"


def dropped(reason: str):  # type: ignore[no-untyped-def]
    return counted(DROPPED, reason=reason)


def expecting(inbox: Inbox) -> Mailbox:
    mailbox = Mailbox()
    inbox.expect(mailbox)
    return mailbox


def started(inbox: Inbox, job_id: str | None) -> Mailbox:
    mailbox = expecting(inbox)
    inbox.assign(mailbox, job_id)
    return mailbox


# --- by id


def test_c28_an_event_reaches_the_run_whose_id_it_bears_and_no_other() -> None:
    inbox = Inbox()
    first, second = started(inbox, "a"), started(inbox, "b")
    inbox.deliver(Update("b", "for b"))
    inbox.deliver(Update("a", "for a", "stop"))
    assert taken(second, 0) == News("for b", None)
    assert taken(first, 0) == News("for a", "stop")
    assert len(inbox) == 2


def test_c12_an_event_of_nobodys_run_is_dropped_and_counted() -> None:
    inbox = Inbox()
    mailbox = started(inbox, "a")
    with dropped("unknown_run") as grew:
        inbox.deliver(Update("stranger", "secret"))
        assert grew() == 1
    assert taken(mailbox, 0) is None


def test_c23_an_event_right_behind_the_end_is_dropped_and_counted() -> None:
    """The caller has not even been woken yet."""
    inbox = Inbox()
    mailbox = started(inbox, "a")
    inbox.deliver(Update("a", "whole", "stop"))
    with dropped("ended_run") as grew:
        inbox.deliver(Update("a", "whole (late)"))
        inbox.deliver(Update("a", "whole (late)", "length"))
        assert grew() == 2
    assert taken(mailbox, 0) == News("whole", "stop")


def test_c12_c23_late_events_of_an_ended_run_are_dropped_and_counted() -> None:
    inbox = Inbox()
    mailbox = started(inbox, "a")
    inbox.forget(mailbox)
    expecting(inbox)
    with dropped("ended_run") as grew:
        inbox.deliver(Update("a", "late"))
        assert grew() == 1
    assert taken(mailbox, 0) is None


def test_late_events_of_an_ended_run_are_not_kept_for_the_next() -> None:
    inbox = Inbox()
    inbox.forget(started(inbox, "a"))
    second = expecting(inbox)
    inbox.deliver(Update("a", "late"))
    inbox.assign(second, None)
    assert taken(second, 0) is None


def test_so_many_ended_runs_are_remembered_and_no_more() -> None:
    inbox = Inbox()
    for number in range(REMEMBERED_IDS + 1):
        inbox.forget(started(inbox, str(number)))
    with dropped("ended_run") as ended, dropped("unknown_run") as unknown:
        inbox.deliver(Update("0", "forgotten"))
        inbox.deliver(Update("1", "remembered"))
        assert (ended(), unknown()) == (1, 1)


def test_forgetting_twice_does_no_harm() -> None:
    inbox = Inbox()
    mailbox = started(inbox, "a")
    inbox.forget(mailbox)
    inbox.forget(mailbox)
    assert len(inbox) == 0


# --- events before the start's answer


def test_c11_what_came_before_the_starts_answer_is_handed_over_with_it() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.deliver(Update("a", "He"))
    inbox.deliver(Update("a", "Hello"))
    assert taken(mailbox, 0) is None
    inbox.assign(mailbox, "a")
    assert taken(mailbox, 0) == News("Hello", None)


def test_a_run_may_be_over_before_its_start_was_answered() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.deliver(Update("a", "Hello", "length"))
    inbox.deliver(Update("a", "Hell"))
    inbox.deliver(Update("a", None, "stop"))
    inbox.assign(mailbox, "a")
    assert taken(mailbox, 0) == News("Hello", "length")


def test_of_several_early_runs_each_gets_its_own() -> None:
    inbox = Inbox()
    first, second = expecting(inbox), expecting(inbox)
    inbox.deliver(Update("b", "for b"))
    inbox.deliver(Update("a", "for a"))
    inbox.assign(second, "b")
    inbox.assign(first, "a")
    assert taken(second, 0) == News("for b", None)
    assert taken(first, 0) == News("for a", None)


def test_early_events_are_let_go_when_no_start_is_pending_any_more() -> None:
    inbox = Inbox()
    first = expecting(inbox)
    inbox.deliver(Update("a", "for a"))
    inbox.deliver(Update("b", "for b"))
    inbox.assign(first, "a")
    second = expecting(inbox)
    inbox.assign(second, "b")
    assert taken(second, 0) is None


def test_early_events_are_let_go_when_the_start_came_to_nothing() -> None:
    inbox = Inbox()
    first = expecting(inbox)
    inbox.deliver(Update("a", "for a"))
    inbox.forget(first)
    second = expecting(inbox)
    inbox.assign(second, "a")
    assert taken(second, 0) is None


def test_c11_of_too_many_early_runs_the_oldest_are_let_go() -> None:
    inbox = Inbox()
    mailboxes = [expecting(inbox) for _ in range(EARLY_IDS + 1)]
    with dropped("early_overflow") as grew:
        for number in range(EARLY_IDS + 1):
            inbox.deliver(Update(str(number), f"text {number}"))
        assert grew() == 1
    for number, mailbox in enumerate(mailboxes):
        inbox.assign(mailbox, str(number))
    assert taken(mailboxes[0], 0) is None
    for number, mailbox in enumerate(mailboxes[1:], start=1):
        assert taken(mailbox, 0) == News(f"text {number}", None)


def test_c11_of_too_much_early_text_the_largest_is_let_go() -> None:
    """Else one run's flood would cost another its text."""
    inbox = Inbox()
    first, second = expecting(inbox), expecting(inbox)
    with dropped("early_overflow") as grew:
        inbox.deliver(Update("a", "a few words"))
        inbox.deliver(Update("b", "y" * EARLY_CHARACTERS))
        assert grew() == 1
    inbox.assign(first, "a")
    inbox.assign(second, "b")
    assert taken(first, 0) == News("a few words", None)
    assert taken(second, 0) == News(None, None)


def test_an_early_text_that_is_too_large_by_itself_is_let_go() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    with dropped("early_overflow") as grew:
        inbox.deliver(Update("a", "x" * (EARLY_CHARACTERS + 1)))
        assert grew() == 1
    inbox.assign(mailbox, "a")
    assert taken(mailbox, 0) == News(None, None)
    inbox.deliver(Update("a", "x" * (EARLY_CHARACTERS + 2)))
    assert taken(mailbox, 0) == News("x" * (EARLY_CHARACTERS + 2), None)
    inbox.deliver(Update("a", None, "stop"))
    assert taken(mailbox, 0) == News(None, "stop"), "it is whole again"


TOO_LONG = "x" * (EARLY_CHARACTERS + 1)


@pytest.mark.parametrize(
    "updates",
    [
        [Update("a", TOO_LONG, "stop")],
        [Update("a", TOO_LONG), Update("a", None, "stop")],
        [Update("a", TOO_LONG), Update("a", "", "stop")],
        [Update("a", TOO_LONG), Update("a", TOO_LONG[:1], "stop")],
        [Update("a", TOO_LONG), Update("a", TOO_LONG[:-1], "stop")],
    ],
    ids=["with the end", "no text", "empty text", "a beginning", "all but a letter"],
)
@pytest.mark.parametrize("early", [True, False], ids=["early end", "later end"])
def test_c11_what_is_left_of_a_text_that_came_too_early_never_looks_whole(
    updates: list[Update], early: bool
) -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    *before, last = updates
    for update in updates if early else before:
        inbox.deliver(update)
    inbox.assign(mailbox, "a")
    inbox.deliver(last)
    news = taken(mailbox, 0)
    assert news is not None
    if early or before:
        assert isinstance(news.ending, UpstreamGarbled)
    else:
        assert news == News(TOO_LONG, "stop")


def test_c11_a_failure_behind_a_text_that_came_too_early_stays_what_it_is() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    fault = RunFailed("no")
    inbox.deliver(Update("a", TOO_LONG, fault))
    inbox.assign(mailbox, "a")
    news = taken(mailbox, 0)
    assert news is not None
    assert news.ending is fault


def test_the_size_of_early_text_counts_once_per_run_not_per_event() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    with dropped("early_overflow") as grew:
        for length in range(EARLY_CHARACTERS - 10, EARLY_CHARACTERS):
            inbox.deliver(Update("a", "x" * length))
        assert grew() == 0
    inbox.assign(mailbox, "a")
    assert taken(mailbox, 0) is not None


def test_c11_early_events_are_kept_for_a_while_only() -> None:
    clock = FakeClock()
    inbox = Inbox(clock)
    first, second = expecting(inbox), expecting(inbox)
    inbox.deliver(Update("a", "old"))
    clock.advance(EARLY_SECONDS)
    inbox.deliver(Update("b", "young"))
    clock.advance(0.1)
    with dropped("early_overflow") as grew:
        inbox.deliver(Update("b", "younger"))
        assert grew() == 1
    inbox.assign(first, "a")
    inbox.assign(second, "b")
    assert taken(first, 0) is None
    assert taken(second, 0) == News("younger", None)


# --- abandoned before the start's answer


def test_the_id_of_an_abandoned_start_is_known_as_ended_when_its_answer_comes() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.forget(mailbox)
    inbox.assign(mailbox, "a")
    second = expecting(inbox)
    with dropped("ended_run") as grew:
        inbox.deliver(Update("a", "for nobody"))
        assert grew() == 1
    assert len(inbox) == 1
    assert (taken(mailbox, 0), taken(second, 0)) == (None, None)


def test_early_events_of_an_abandoned_start_are_let_go_when_its_answer_comes() -> None:
    inbox = Inbox()
    abandoned, other = expecting(inbox), expecting(inbox)
    inbox.deliver(Update("a", "for nobody"))
    inbox.forget(abandoned)
    inbox.assign(abandoned, "a")
    inbox.assign(other, None)
    assert taken(other, 0) is None


def test_an_abandoned_start_that_was_answered_without_an_id_changes_nothing() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.forget(mailbox)
    inbox.assign(mailbox, None)
    inbox.deliver(Update("a", "for nobody"))
    assert taken(mailbox, 0) is None


# --- events without an id


@pytest.mark.parametrize("job_id", ["a", None])
def test_an_event_without_an_id_belongs_to_the_only_run(job_id: str | None) -> None:
    inbox = Inbox()
    mailbox = started(inbox, job_id)
    inbox.deliver(Update(None, "text", "stop"))
    assert taken(mailbox, 0) == News("text", "stop")


def test_an_event_without_an_id_belongs_to_the_only_run_whose_start_is_pending() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.deliver(Update(None, "text"))
    assert taken(mailbox, 0) == News("text", None)


def test_c17_an_event_without_an_id_belongs_to_nobody_when_there_are_several() -> None:
    inbox = Inbox()
    first, second = started(inbox, "a"), expecting(inbox)
    with dropped("no_id") as grew:
        inbox.deliver(Update(None, "whose?"))
        assert grew() == 1
    assert (taken(first, 0), taken(second, 0)) == (None, None)


def test_an_event_without_an_id_belongs_to_nobody_when_there_is_none() -> None:
    with dropped("no_id") as grew:
        Inbox().deliver(Update(None, "whose?"))
        assert grew() == 1


# --- runs without an id


def test_a_nameless_run_adopts_the_first_id_that_comes() -> None:
    inbox = Inbox()
    mailbox = started(inbox, None)
    inbox.deliver(Update("a", "mine"))
    assert taken(mailbox, 0) == News("mine", None)
    with dropped("unknown_run") as grew:
        inbox.deliver(Update("b", "not mine, though longer"))
        assert grew() == 1
    inbox.deliver(Update("a", "mine too"))
    assert taken(mailbox, 0) == News("mine too", None)


def test_a_nameless_run_adopts_an_id_that_came_early() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    inbox.deliver(Update("a", "early"))
    inbox.assign(mailbox, None)
    assert taken(mailbox, 0) == News("early", None)
    inbox.deliver(Update("a", "early and late"))
    assert taken(mailbox, 0) == News("early and late", None)


def test_a_nameless_run_does_not_adopt_an_ended_one() -> None:
    inbox = Inbox()
    inbox.forget(started(inbox, "a"))
    mailbox = started(inbox, None)
    inbox.deliver(Update("a", "late"))
    assert taken(mailbox, 0) is None
    inbox.deliver(Update("b", "mine"))
    assert taken(mailbox, 0) == News("mine", None)


def test_a_forgotten_nameless_run_adopts_nothing() -> None:
    inbox = Inbox()
    inbox.forget(started(inbox, None))
    with dropped("unknown_run") as grew:
        inbox.deliver(Update("a", "whose?"))
        assert grew() == 1
    assert len(inbox) == 0


# --- everybody


def test_a_lost_socket_is_told_to_started_and_pending_runs() -> None:
    inbox = Inbox(FakeClock(7.0))
    mailboxes = [started(inbox, "a"), started(inbox, "b"), expecting(inbox)]
    inbox.interrupt()
    assert [mailbox.lost_at for mailbox in mailboxes] == [7.0] * 3


def test_a_failure_ends_started_and_pending_runs_each_with_a_fault_of_its_own() -> None:
    inbox = Inbox()
    mailboxes = [started(inbox, "a"), expecting(inbox)]
    inbox.fail(lambda: SessionLost("gone"))
    faults = []
    for mailbox in mailboxes:
        news = taken(mailbox, 0)
        assert news is not None
        assert isinstance(news.ending, SessionLost)
        faults.append(news.ending)
    assert faults[0] is not faults[1]


# --- is an event of any use?


def test_an_event_is_wanted_where_its_run_is_known_or_may_become_so() -> None:
    inbox = Inbox()
    with dropped("unknown_run") as grew:
        assert not inbox.wants("a")
        assert grew() == 1
    mailbox = expecting(inbox)
    assert inbox.wants("a")
    inbox.assign(mailbox, "a")
    assert inbox.wants("a")
    assert not inbox.wants("b")
    inbox.forget(mailbox)
    with dropped("ended_run") as grew:
        assert not inbox.wants("a")
        assert grew() == 1


def test_a_nameless_run_wants_any_event() -> None:
    inbox = Inbox()
    started(inbox, None)
    assert inbox.wants("a")


def test_an_event_is_wanted_also_in_the_instant_in_which_its_run_gets_its_id() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)
    wanted: list[bool] = []
    reader = threading.Thread(target=lambda: wanted.append(inbox.wants("a")))

    class Meeting(list[Mailbox]):
        """The socket asks while the starter is about to move the run."""

        def remove(self, one: Mailbox) -> None:
            super().remove(one)
            reader.start()
            reader.join(0.05)  # where they take turns, it has to wait for us

    inbox._pending = Meeting([mailbox])
    inbox.assign(mailbox, "a")
    reader.join()
    assert wanted == [True]


# --- races


@pytest.fixture
def hasty() -> object:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("named", [True, False], ids=["with ids", "without ids"])
def test_no_text_is_lost_while_the_start_is_answered(named: bool) -> None:
    """The starter assigns while the socket delivers, and the caller reads."""
    rounds = [Inbox() for _ in range(400)]
    mailboxes = [expecting(inbox) for inbox in rounds]
    meet = threading.Barrier(2)

    def assign() -> None:
        for inbox, mailbox in zip(rounds, mailboxes, strict=True):
            meet.wait(10)
            inbox.assign(mailbox, "a" if named else None)

    def deliver() -> None:
        for inbox in rounds:
            meet.wait(10)
            for text in ("1", "12", "123", "1234"):
                inbox.deliver(Update("a", text))
            inbox.deliver(Update("a", "12345", "stop"))

    threads = [threading.Thread(target=work) for work in (assign, deliver)]
    for thread in threads:
        thread.start()
    for mailbox in mailboxes:
        text = None
        while True:
            news = taken(mailbox, 5.0)
            assert news is not None, "the end got lost"
            text = text if news.text is None else news.text
            if news.ending is not None:
                break
        assert (text, news.ending) == ("12345", "stop")
    for thread in threads:
        thread.join()


def test_an_event_that_waited_for_the_lock_finds_the_run_that_was_assigned_meanwhile() -> None:
    inbox = Inbox()
    mailbox = expecting(inbox)

    class Lock:
        def __enter__(self) -> None:
            inbox._bind(mailbox, "a")  # what assign does in another thread

        def __exit__(self, *_: object) -> None:
            pass

    inbox._lock = Lock()  # type: ignore[assignment]
    inbox.deliver(Update("a", "text"))
    assert taken(mailbox, 0) == News("text", None)
