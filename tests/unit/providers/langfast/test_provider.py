"""One run on this upstream: a real pool, stub sockets, a starter that does as it is told."""

import gc
import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from langfast_wsgi import runtime
from langfast_wsgi.conversation.events import Event, Finished, Pause, Replaced, Text
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RunFailed,
    SessionLost,
    StartRefused,
    TooManyRuns,
    UpstreamGarbled,
    UpstreamSilent,
)
from langfast_wsgi.providers.langfast import provider as provider_module
from langfast_wsgi.providers.langfast.credential import Credential
from langfast_wsgi.providers.langfast.inbox import Update
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from langfast_wsgi.providers.langfast.offer import Offer
from langfast_wsgi.providers.langfast.pool import Pool
from langfast_wsgi.providers.langfast.provider import ANSWER_CHARACTERS, PARTS, LangfastProvider
from langfast_wsgi.providers.langfast.start import StartFailed
from langfast_wsgi.providers.langfast.verdict import Blame, Refusal
from tests.support.builders import A_PAUSE, StubSocket, grant, heard, run_request, spawn, wait_for


class FakeKeeper:
    """Runs until it is stopped."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def run(self) -> None:
        self.stopped.wait(5.0)

    def rest(self) -> None:
        pass

    def stop(self) -> None:
        self.stopped.set()


pytestmark = pytest.mark.timeout(20)
CASES: list["Case"] = []


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    """Each provider's clock stands still when its test is over."""
    yield
    while CASES:
        CASES.pop().provider.stop()


def bare(
    queue: float = 10, start: float = 30, idle: float = 60, keeper: FakeKeeper | None = None
) -> LangfastProvider:
    """A provider that is not started."""
    return LangfastProvider(
        Pool(1, 1, 1),
        keeper or FakeKeeper(),  # type: ignore[arg-type]
        SimpleNamespace(),  # type: ignore[arg-type]
        Offer(True, (), lambda: ()),
        runtime=runtime,
        queue_timeout=queue,
        start_timeout=start,
        idle_timeout=idle,
    )


class Case:
    """A provider with one connected account, whose starts turn out as the test says."""

    def __init__(
        self,
        *,
        runs: int = 1,
        accounts: int = 1,
        apart: bool | None = True,
        queue: float = 0.1,
        start: float = 5.0,
        idle: float = 5.0,
    ) -> None:
        self.pool = Pool(1, 3, runs)
        self.keeper = FakeKeeper()
        self.outcomes: list[Callable[[Credential], str | None]] = []
        self.started: list[RunRequest] = []
        self.names = 0
        self.provider = LangfastProvider(
            self.pool,
            self.keeper,  # type: ignore[arg-type]
            SimpleNamespace(start=self._start),  # type: ignore[arg-type]
            Offer(False, ("extra",), lambda: ()),
            runtime=runtime,
            queue_timeout=queue,
            start_timeout=start,
            idle_timeout=idle,
        )
        self.provider._tick = min(self.provider._tick, 0.02)
        self.provider.start()
        CASES.append(self)
        self.accounts = [self._account(number) for number in range(accounts)]
        if apart is not None:
            self.pool.learn(apart)

    def _account(self, number: int) -> Credential:
        credential = self.pool.add(grant(number))
        self.pool.connected(credential, StubSocket(), 240.0)
        return credential

    def _start(self, credential: Credential, request: RunRequest) -> str | None:
        self.started.append(request)
        if self.outcomes:
            return self.outcomes.pop(0)(credential)
        self.names += 1
        return f"j{self.names}" if self.pool.told_apart else None

    @property
    def account(self) -> Credential:
        return self.accounts[0]

    def run(self, **fields: Any) -> Generator[Event, None, None]:
        return heard(self.provider.run(run_request("hi", **fields)))

    def begun(self, **fields: Any) -> Generator[Event, None, None]:
        """A run whose start was answered."""
        events = self.run(**fields)
        before = len(self.started)
        assert next(events) == A_PAUSE
        wait_for(lambda: len(self.started) > before)
        wait_for(lambda: not self.pending)
        return events

    @property
    def pending(self) -> bool:
        inbox = self.account.inbox
        return any(mailbox is not inbox._nameless for mailbox in inbox._pending)

    def say(self, text: str | None, ending: str | GatewayError | None = None) -> None:
        """An event of the newest run."""
        job_id = f"j{self.names}" if self.pool.told_apart else None
        self.account.inbox.deliver(Update(job_id, text, ending))

    @property
    def free(self) -> bool:
        return self.pool.census()["taken"] == 0


def spoken(events: Generator[Event, None, None]) -> Event:
    """The next event that says something."""
    return next(event for event in events if not isinstance(event, Pause))


def refusing(
    fault: GatewayError, rest: float = 0.0, spent: bool = False, blame: Blame = ""
) -> Callable[[Credential], str | None]:
    def refuse(_: Credential) -> str | None:
        raise StartFailed(Refusal(fault, rest=rest, spent=spent, blame=blame))

    return refuse


def held(release: threading.Event, job_id: str) -> Callable[[Credential], str | None]:
    """A start that is answered when the test says so."""

    def wait(_: Credential) -> str | None:
        release.wait(5.0)
        return job_id

    return wait


# --- a whole run


@pytest.mark.parametrize("apart", [True, False], ids=["told apart", "not told apart"])
def test_a_run_yields_its_text_as_it_comes_and_gives_its_place_back(apart: bool) -> None:
    case = Case(apart=apart)
    events = case.begun()
    assert case.pool.census()["taken"] == 1
    case.say("He")
    assert spoken(events) == Text("He")
    case.say("Hello")
    assert spoken(events) == Text("llo")
    case.say(None, "stop")
    assert spoken(events) == Finished("stop")
    assert list(events) == []
    assert case.free
    assert len(case.account.inbox) == 0


def test_the_last_text_comes_with_its_end() -> None:
    case = Case()
    events = case.begun()
    case.say("Hello", "length")
    assert spoken(events) == Text("Hello", last=True)
    assert list(events) == [Finished("length")]


def test_text_that_was_not_asked_for_in_time_comes_in_one() -> None:
    case = Case()
    events = case.begun()
    for text in ("a", "ab", "abc"):
        case.say(text)
    assert spoken(events) == Text("abc")
    events.close()


def test_text_of_which_only_the_whole_is_wanted_waits_for_its_end_behind_the_first() -> None:
    case = Case()
    events = case.begun(whole=True)
    case.provider.stop()  # the clock: only news wakes the reader now
    case.say("a")
    assert spoken(events) == Text("a"), "so that the time to it is known"
    rest = list[Event]()
    reader = spawn(lambda: rest.extend(events))
    wait_for(lambda: reader_waits(case))
    for text in ("ab", "abc", "abcd"):
        case.say(text)
        assert reader_waits(case), "nobody is woken for a part"
    case.say("abcde", "stop")
    reader.join(5)
    assert [one for one in rest if one != A_PAUSE] == [Text("bcde", last=True), Finished("stop")]


def reader_waits(case: Case) -> bool:
    """Whether the only run's reader has its first text and waits, and nobody has rung."""
    [mailbox] = case.account.inbox._live.values()
    return mailbox.whole and mailbox._bell.locked()


def test_who_waits_for_the_whole_has_time_to_look_around_while_its_text_grows() -> None:
    """Has the caller left? Nobody would ever ask where each tick found more text."""
    case = Case()
    events = case.begun(whole=True)
    case.say("a")
    assert spoken(events) == Text("a")
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.001):
            case.say("a" * next(lengths))

    lengths = itertools.count(2)
    thread = spawn(talk)
    for _ in range(5):
        assert next(event for event in events if isinstance(event, Pause))
    stop.set()
    thread.join()
    events.close()


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_whose_text_grows_lives_however_seldom_somebody_looks(whole: bool) -> None:
    case = Case(idle=0.2)
    events = case.begun(whole=whole)
    rest = list[Event]()
    reader = spawn(lambda: rest.extend(events))
    for length in range(1, 21):
        case.say("a" * length)
        time.sleep(0.03)
    assert reader.is_alive()
    case.say(None, "stop")
    reader.join(5)
    assert rest[-1] == Finished("stop")
    assert "".join(event.delta for event in rest if isinstance(event, Text)) == "a" * 20


def test_a_run_that_ends_before_its_start_was_answered_is_whole() -> None:
    case = Case()

    def overtaken(credential: Credential) -> str:
        credential.inbox.deliver(Update("j", "Hello", "stop"))
        return "j"

    case.outcomes = [overtaken]
    assert [e for e in case.run() if e != A_PAUSE] == [Text("Hello", last=True), Finished("stop")]


def test_c22_an_end_without_any_text_is_an_empty_answer() -> None:
    case = Case()
    events = case.begun()
    case.say(None, "stop")
    assert [event for event in events if event != A_PAUSE] == [Finished("stop")]


def test_half_a_character_comes_out_before_the_end() -> None:
    case = Case()
    events = case.begun()
    case.say("a\ud83d")
    assert spoken(events) == Text("a")
    case.say(None, "stop")
    assert [e for e in events if e != A_PAUSE] == [Text("\ufffd", last=True), Finished("stop")]


def test_c14_rewritten_text_is_an_event_of_its_own() -> None:
    case = Case()
    events = case.begun()
    case.say("abc")
    assert spoken(events) == Text("abc")
    case.say("xyz!")
    assert spoken(events) == Replaced("xyz!")
    events.close()


def test_c24_a_failed_run_yields_its_text_and_raises_its_fault() -> None:
    case = Case()
    events = case.begun()
    case.say("Hel", RunFailed("no"))
    assert spoken(events) == Text("Hel", last=True)
    with pytest.raises(RunFailed):
        list(events)
    assert case.free


@pytest.mark.parametrize("streamed", [True, False])
def test_a_failed_run_leaves_nothing_to_the_garbage_collector(streamed: bool) -> None:
    """Else its text, its prompt and its request would stay for as long as that likes."""
    case = Case()
    gc.collect()
    gc.disable()
    try:
        events = case.begun()
        case.say("Hel")
        if streamed:
            assert spoken(events) == Text("Hel")
        case.say("Hello", RunFailed("no"))
        with suppress(RunFailed):
            list(events)
        del events
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert not any(isinstance(one, Mailbox) for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_c20_an_answer_that_is_too_long_ends_with_a_fault() -> None:
    case = Case()
    events = case.begun()
    case.say("a" * ANSWER_CHARACTERS)
    assert isinstance(spoken(events), Text)
    case.say("a" * (ANSWER_CHARACTERS + 1))
    with pytest.raises(UpstreamGarbled) as caught:
        spoken(events)
    assert caught.value.code == "response_too_large"
    assert case.free


def test_an_answer_that_is_too_long_keeps_its_place_where_runs_cannot_be_told_apart() -> None:
    case = Case(apart=False)
    events = case.begun()
    case.say("a" * (ANSWER_CHARACTERS + 1))
    with pytest.raises(UpstreamGarbled):
        spoken(events)
    case.say("a" * (ANSWER_CHARACTERS + 2))
    time.sleep(0.05)
    assert not case.free
    case.say(None, "stop")
    wait_for(lambda: case.free)


# --- the line


def test_a_caller_in_line_hears_silence_and_then_that_all_places_are_taken() -> None:
    case = Case(queue=0.1)
    first = case.begun()
    begun = time.monotonic()
    heard = []
    with pytest.raises(TooManyRuns):
        heard += list(case.run())
    spent = time.monotonic() - begun
    assert 0.1 <= spent < 0.5
    first.close()
    assert case.pool.census()["waiting"] == 0


def test_silence_is_heard_while_in_line() -> None:
    case = Case(queue=0.1)
    first = case.begun()
    second = case.run()
    assert [next(second) for _ in range(3)] == [A_PAUSE] * 3
    assert len(case.started) == 1
    second.close()
    first.close()


def test_without_an_account_a_caller_hears_so_at_the_end_of_its_patience() -> None:
    case = Case(accounts=0, queue=0.03)
    with pytest.raises(NoCredentials):
        list(case.run())


def test_the_next_in_line_begins_when_a_place_is_given_back() -> None:
    case = Case(queue=5.0)
    first, second = case.begun(), case.run()
    assert next(second) == A_PAUSE
    first.close()
    wait_for(lambda: next(second) == A_PAUSE and len(case.started) == 2)
    second.close()
    assert case.free


def test_a_caller_that_leaves_the_line_takes_no_place() -> None:
    case = Case(queue=5.0)
    first, second = case.begun(), case.run()
    next(second)
    second.close()
    assert case.pool.census()["waiting"] == 0
    first.close()
    assert case.free
    assert len(case.started) == 1


def test_where_every_account_rests_a_caller_hears_it_at_once() -> None:
    case = Case(queue=5.0)
    case.pool.cool(case.account, 60.0, QuotaExhausted("quota"))
    with pytest.raises(QuotaExhausted):
        next(case.run())


def test_a_run_that_nobody_asks_for_takes_no_place() -> None:
    case = Case()
    case.run().close()
    assert case.free
    assert case.started == []


# --- the start


def test_a_refused_start_is_the_runs_fault_and_its_account_rests() -> None:
    case = Case()
    fault = QuotaExhausted("quota")
    case.outcomes = [refusing(fault, rest=3600.0)]
    with pytest.raises(QuotaExhausted) as caught:
        list(case.run())
    assert caught.value.message == "quota"
    assert case.free
    assert case.pool.census()["cooling"] == 1


def test_a_refused_start_without_a_rest_leaves_the_account_as_it_is() -> None:
    case = Case()
    case.outcomes = [refusing(StartRefused("no"))]
    with pytest.raises(StartRefused):
        list(case.run())
    assert case.pool.census()["ready"] == 1


@pytest.fixture
def refused() -> Case:
    """A case whose account was refused some time ago: the next caller tries it."""
    case = Case()
    case.pool.cool(case.account, 60, StartRefused("no", code="upstream_auth_error"))
    case.pool._try_from = 0.0
    assert case.pool.census()["cooling"] == 1
    return case


def test_b2_an_account_whose_start_is_accepted_is_not_refused_any_more(refused: Case) -> None:
    run = refused.begun()
    refused.say("text", "stop")
    list(run)
    assert refused.pool.census()["ready"] == 1


@pytest.mark.parametrize(("blame", "ready"), [("", 1), ("account", 0), ("unclear", 0)])
def test_b2_nor_is_one_whose_request_was_refused(refused: Case, blame: Blame, ready: int) -> None:
    refused.outcomes = [refusing(StartRefused("no"), blame=blame)]
    with pytest.raises(StartRefused):
        list(refused.run())
    assert refused.pool.census()["ready"] == ready


def test_an_unforeseen_failure_of_the_start_is_logged_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case()

    def fail(_: Credential) -> str | None:
        raise ValueError("what?")

    case.outcomes = [fail]
    with pytest.raises(StartRefused, match="could not be started"):
        list(case.run())
    assert "unforeseen" in caplog.text
    assert case.free


def test_what_a_start_answers_teaches_whether_runs_can_be_told_apart() -> None:
    case = Case(apart=None)
    case.outcomes = [lambda _: "j"]
    events = case.begun()
    wait_for(lambda: case.pool.told_apart is True)
    events.close()
    case = Case(apart=None)
    case.outcomes = [lambda _: None]
    events = case.begun()
    wait_for(lambda: case.pool.told_apart is False)
    events.close()


def test_a_start_that_is_not_answered_ends_at_its_own_limit() -> None:
    case = Case(start=0.05, idle=5.0)
    release = threading.Event()
    case.outcomes = [held(release, "late")]
    begun = time.monotonic()
    with pytest.raises(UpstreamSilent, match="to start"):
        list(case.run())
    assert 0.05 <= time.monotonic() - begun < 0.5
    release.set()


def test_silence_is_heard_while_the_start_is_not_answered() -> None:
    case = Case()
    release = threading.Event()
    case.outcomes = [held(release, "late")]
    events = case.run()
    assert [next(events) for _ in range(3)] == [A_PAUSE] * 3
    events.close()
    release.set()


# --- silence


def test_c26_a_quiet_run_ends_at_the_idle_limit() -> None:
    case = Case(idle=0.05)
    begun = time.monotonic()
    with pytest.raises(UpstreamSilent, match="stopped sending"):
        list(case.run())
    assert 0.05 <= time.monotonic() - begun < 0.5
    assert case.free


def test_a_sign_of_life_puts_the_idle_limit_off() -> None:
    case = Case(idle=0.1)
    events = case.begun()
    begun = time.monotonic()
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.02):
            case.say(None)

    thread = spawn(live)
    while time.monotonic() - begun < 0.25:
        next(events)
    stop.set()
    thread.join()
    events.close()


@pytest.mark.parametrize(
    ("limits", "tick"),
    [((10, 30, 60), 1.0), ((0.5, 30, 60), 0.05), ((10, 0.5, 60), 0.05), ((10, 30, 0.5), 0.05)],
)
def test_a_quiet_run_says_silence_once_a_second_or_ten_times_within_its_shortest_limit(
    limits: tuple[float, float, float], tick: float
) -> None:
    assert bare(*limits)._tick == tick


# --- a lost socket


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "RECONNECT_GRACE", 0.05)


@pytest.mark.usefixtures("short_grace")
def test_c5_c6_a_run_whose_socket_is_lost_waits_a_moment_for_its_next_event() -> None:
    case = Case()
    events = case.begun()
    case.say("abc")
    assert spoken(events) == Text("abc")
    case.account.inbox.interrupt()
    begun = time.monotonic()
    with pytest.raises(SessionLost):
        list(events)
    assert 0.04 <= time.monotonic() - begun < 0.5
    assert case.free


@pytest.mark.usefixtures("short_grace")
def test_a_run_goes_on_when_its_events_come_again() -> None:
    case = Case()
    events = case.begun()
    case.say("abc")
    assert spoken(events) == Text("abc")
    case.account.inbox.interrupt()
    assert next(events) == A_PAUSE
    case.say("abcdef")
    assert spoken(events) == Text("def")
    time.sleep(0.05)
    case.say(None, "stop")
    assert spoken(events) == Finished("stop")


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("text", ["all of it", None])
def test_c7_an_end_that_comes_over_the_next_socket_is_an_end(text: str | None) -> None:
    case = Case()
    events = case.begun()
    case.say("all of it")
    assert spoken(events) == Text("all of it")
    case.account.inbox.interrupt()
    assert next(events) == A_PAUSE
    case.say(text, "stop")
    assert [event for event in events if event != A_PAUSE] == [Finished("stop")]


@pytest.mark.usefixtures("short_grace")
def test_text_that_came_before_the_loss_is_not_lost() -> None:
    case = Case()
    events = case.begun()
    case.say("abc")
    case.account.inbox.interrupt()
    assert spoken(events) == Text("abc")
    with pytest.raises(SessionLost):
        list(events)


# --- a caller that leaves


def test_where_runs_can_be_told_apart_the_place_is_free_at_once_when_the_caller_leaves() -> None:
    case = Case()
    events = case.begun()
    events.close()
    assert case.free
    assert len(case.account.inbox) == 0


def test_an_abandoned_start_that_is_answered_later_disturbs_nobody() -> None:
    case = Case()
    release = threading.Event()
    case.outcomes = [held(release, "old")]
    first = case.run()
    next(first)
    first.close()
    release.set()
    wait_for(lambda: case.free)
    second = case.begun()
    case.account.inbox.deliver(Update("old", "for nobody", "stop"))
    case.say("mine", "stop")
    assert spoken(second) == Text("mine", last=True)
    second.close()


@pytest.mark.parametrize("apart", [None, False])
def test_where_runs_cannot_be_told_apart_the_place_is_kept_until_the_old_run_ended(
    apart: bool | None,
) -> None:
    case = Case(apart=apart)
    case.outcomes = [lambda _: None]
    events = case.begun()
    case.say("abc")
    assert spoken(events) == Text("abc")
    events.close()
    assert not case.free
    case.say("abcd")
    time.sleep(0.02)
    assert not case.free
    case.say(None, "stop")
    wait_for(lambda: case.free)


def test_where_runs_cannot_be_told_apart_the_place_is_kept_until_the_old_run_fell_silent() -> None:
    case = Case(apart=False, idle=0.1)
    events = case.begun()
    events.close()
    begun = time.monotonic()
    assert not case.free
    wait_for(lambda: case.free)
    assert time.monotonic() - begun < 0.5


def test_a_place_is_no_longer_kept_once_runs_can_be_told_apart() -> None:
    case = Case(apart=False)
    events = case.begun()
    events.close()
    case.pool.learn(True)
    case.account.inbox.deliver(Update(None, "a sign of life"))
    wait_for(lambda: case.free)


def test_a_silent_run_keeps_its_place_where_runs_cannot_be_told_apart() -> None:
    case = Case(apart=False, idle=0.05)
    with pytest.raises(UpstreamSilent):
        list(case.run())
    assert not case.free
    wait_for(lambda: case.free)


def test_before_any_start_succeeded_one_that_failed_keeps_its_place_for_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else an upstream that fails from the first start on takes one account after the other."""
    monkeypatch.setattr(provider_module, "UNANSWERED", 0.1)
    case = Case(apart=None, start=60, idle=60)
    case.outcomes = [refusing(StartRefused("no"), spent=True)]
    with pytest.raises(StartRefused):
        list(case.run())
    assert not case.free
    wait_for(lambda: case.free)


@pytest.mark.usefixtures("short_grace")
def test_a_run_that_lost_its_socket_keeps_its_place_where_runs_cannot_be_told_apart() -> None:
    """It goes on upstream: on the new socket its text would reach the next caller."""
    case = Case(apart=False, idle=0.2)
    events = case.begun()
    case.account.inbox.interrupt()
    with pytest.raises(SessionLost):
        list(events)
    time.sleep(0.05)
    assert not case.free
    wait_for(lambda: case.free)


@pytest.mark.parametrize(
    "fault",
    [UpstreamSilent("too long"), StartRefused("cut", retry=False)],
    ids=["no answer in time", "cut behind the body"],
)
def test_a_start_that_may_have_begun_a_run_keeps_its_place_where_runs_cannot_be_told_apart(
    fault: GatewayError,
) -> None:
    """Nobody knows whether it runs; if it does, its text would reach the next caller."""
    case = Case(apart=False, start=0.2, idle=0.2)
    case.outcomes = [refusing(fault, spent=True)]
    with pytest.raises(GatewayError):
        list(case.run())
    time.sleep(0.05)
    assert not case.free
    wait_for(lambda: case.free)


def test_the_next_caller_never_gets_the_text_of_an_abandoned_run() -> None:
    case = Case(apart=False, queue=5.0)
    first = case.begun()
    first.close()
    second = case.run()
    assert next(second) == A_PAUSE
    case.say("somebody else's secret")
    assert [next(second) for _ in range(3)] == [A_PAUSE] * 3
    case.say(None, "stop")
    wait_for(lambda: next(second) == A_PAUSE and len(case.started) == 2)
    wait_for(lambda: not case.pending)
    case.say("mine", "stop")
    assert spoken(second) == Text("mine", last=True)
    second.close()


# --- around the runs


def test_an_upstream_that_is_no_emulator_leaves_no_mark() -> None:
    case = Case()
    case.provider._offer.answered(None)
    assert case.provider.fingerprint is None
    assert case.provider.models() == ("extra",)
    case.provider._offer.emulator = True
    assert case.provider.fingerprint == "emulator"


def test_the_background_work_begins_and_ends_with_the_provider() -> None:
    provider = Case().provider
    assert {thread.name for thread in provider._threads} == {"run", "_keep_ticking"}
    assert all(thread.daemon and thread.is_alive() for thread in provider._threads)
    provider.stop()
    assert not any(thread.is_alive() for thread in provider._threads)


def test_a_provider_that_was_never_started_can_be_stopped() -> None:
    keeper = FakeKeeper()
    bare(keeper=keeper).stop()
    assert keeper.stopped.is_set()


def test_the_clock_ticks_for_runs_that_somebody_listens_to_only() -> None:
    case = Case()
    events = case.begun()
    assert sum(len(part) for part in case.provider._running) == 1
    events.close()
    assert not any(case.provider._running)


class Waiting:
    """A run as far as the clock knows it."""

    def __init__(self) -> None:
        self.woken = 0
        self.mailbox = self

    def tick(self) -> None:
        self.woken += 1


def test_the_clock_wakes_each_reader_once_a_tick_and_a_few_at_a_time() -> None:
    """All at once they would hold up everybody else."""
    provider = bare(2)  # a tick of 0.2 s
    runs = [Waiting() for _ in range(3 * PARTS)]
    for run in runs:
        min(provider._running, key=len).add(run)  # type: ignore[arg-type]
    began = time.monotonic()
    provider.start()
    moments: list[int] = []
    while not moments or moments[-1] < 2 * len(runs):
        moments.append(sum(run.woken for run in runs))
        time.sleep(0.001)
    assert time.monotonic() - began > 0.3
    provider.stop()
    assert max(run.woken for run in runs) - min(run.woken for run in runs) <= 1
    assert len(set(moments)) > PARTS


def test_it_is_ready_when_there_is_an_account_that_ever_had_a_socket() -> None:
    assert Case(accounts=0).provider.readiness()[0] is False
    case = Case()
    ready, figures = case.provider.readiness()
    assert ready
    assert figures["trouble"] is None
    case.pool.trouble = NoCredentials("none")
    assert case.provider.readiness()[1]["trouble"] == "no_credentials_available"
    case.pool.cool(case.account, 60.0, QuotaExhausted("quota"))
    assert case.provider.readiness()[0] is True


def test_its_repr_is_one_line_of_figures() -> None:
    assert repr(Case().provider).startswith("<LangfastProvider {'ready': 1, 'busy': 0")
