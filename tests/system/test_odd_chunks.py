"""Events that come early, late, twice, torn or in odd shapes: what callers read is exact."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.answers import Answer, ask, both
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.stream import steer

TEXT = 'Ünïcode 😀😀 \u0000 \u2028 data: [DONE]\n\n👩‍👩‍👧 e\u0301 \uffff \\ud83d " and an end 😀'
CHUNKS = 9


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.01") as process:
        yield process


@pytest.fixture(scope="module")
def gateway(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    with running_gateway(
        upstream, MIN_CREDENTIALS=2, MAX_CREDENTIALS=2, RUN_IDLE_TIMEOUT=1.5
    ) as process:
        yield process


@pytest.fixture(scope="module")
def narrow(upstream: EmulatorProcess) -> Iterator[GatewayProcess]:
    """All runs on one account."""
    with running_gateway(upstream, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1) as process:
        assert ask(process, "now it knows that runs have ids", stream=False).status == 200
        yield process


def dropped(gateway: GatewayProcess, reason: str) -> float:
    return gateway.metrics()[f'langfast_dropped_events_total{{reason="{reason}"}}']


# What is said of a fault: its row, its name, and why its events are dropped, if they are.
FAULTS = [
    ("c11", "early", None),
    ("c12", "unknown-run", "unknown_run"),
    ("c13", "reorder", None),
    ("c15", "duplicate", None),
    ("c17", "as-json-text", None),
    ("c17", "as-plain-text", None),
    ("c17", "as-number", "meaningless"),
    ("c17", "as-null", "meaningless"),
    ("c17", "as-list", "meaningless"),
    ("c18", "extra-argument", None),
    ("c18", "no-argument", "meaningless"),
    ("c19", "as-binary", None),
    ("c19", "as-binary-record", None),
    ("c19", "bad-binary", None),
    ("c21", "split-surrogate", None),
    ("c22", "no-completed-content", None),
    ("c23", "late", "ended_run"),
    ("c25", "unknown-status", None),
    ("c28", "to-everyone", "unknown_run"),
]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(fault, reason) for _, fault, reason in FAULTS],
    ids=[f"{row}-{fault}" for row, fault, _ in FAULTS],
)
def test_the_answer_is_exact(gateway: GatewayProcess, fault: str, reason: str | None) -> None:
    before = dropped(gateway, reason) if reason else 0
    content = steer(TEXT, chunks=CHUNKS, interval=0.02, fault=fault)
    for stream in (True, False):  # one after the other: some are told apart by being alone
        answer = ask(gateway, content, stream=stream)
        assert answer.is_whole(TEXT)
        assert answer.pieces <= CHUNKS or fault == "split-surrogate"
    if reason:
        assert dropped(gateway, reason) > before


@pytest.mark.parametrize(
    "change",
    [
        {"content": 5},
        {"content": None},
        {"content": [TEXT]},
        {"status": None},
        {"status": 7},
        {"status": ["completed"]},
        {"finish_reason": {"a": 1}},
        {"more": "than is known"},
    ],
    ids=str,
)
def test_c17_fields_of_odd_types_cost_at_most_their_chunk(
    gateway: GatewayProcess, change: dict[str, object]
) -> None:
    content = steer(TEXT, chunks=CHUNKS, interval=0.01, fault="chunk-change", change=change)
    assert all(answer.is_whole(TEXT) for answer in both(gateway, content))


@pytest.mark.parametrize("change", [{"executionId": None}, {"executionId": 7}], ids=str)
def test_c17_chunks_that_belong_to_any_of_several_runs_are_dropped(
    narrow: GatewayProcess, change: dict[str, object]
) -> None:
    """Only their ends bear an id, so the whole text is read from these."""
    before = dropped(narrow, "no_id")
    texts = [f"{number}: {TEXT}" for number in range(6)]

    def one(text: str) -> Answer:
        fault = {"fault": "chunk-change", "change": change}
        return ask(narrow, steer(text, chunks=8, interval=0.05, **fault), stream=True)

    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(one, texts))
    assert all(answer.is_whole(text) for text, answer in zip(texts, answers, strict=True))
    assert dropped(narrow, "no_id") > before


def test_c17_plain_text_belongs_to_nobody_among_several_runs(narrow: GatewayProcess) -> None:
    before = dropped(narrow, "no_id")
    content = steer(TEXT, chunks=8, interval=0.05, fault="as-plain-text")
    assert all(answer.is_whole(TEXT) for answer in both(narrow, content))
    assert dropped(narrow, "no_id") > before


def test_c17_events_without_meaning_are_no_sign_of_life(gateway: GatewayProcess) -> None:
    content = steer(TEXT, chunks=10, interval=0.5, fault="as-number")
    for answer in both(gateway, content):
        assert (answer.status, answer.code) == (504, "upstream_timeout")
        assert answer.seconds < 4


def test_c11_an_answer_that_is_too_long_to_come_early_fails_at_once(narrow: GatewayProcess) -> None:
    content = steer("", fault=["big", "early", "start-drip"], size=1_000_000, seconds=0.002)
    for answer in both(narrow, content):
        assert (answer.status, answer.code) == (502, "upstream_bad_response")
        assert answer.seconds < 10, "the idle limit is a minute"
    # A connection that dripped is closed without a word about it.
    wait_for(lambda: ask(narrow, "x", stream=False).status == 200, "connections to be fresh")


@pytest.mark.parametrize("fault", ["c14-rewrite", "c16-delta"])
def test_text_that_does_not_extend_what_was_sent(gateway: GatewayProcess, fault: str) -> None:
    """C16 wants a switch for upstreams that send deltas. There is none, for content is cumulative
    by the wire's description, so a delta is what it looks like: text in place of other text.
    """
    outcome = 'langfast_runs_total{outcome="upstream_inconsistent"}'
    before = gateway.metrics().get(outcome, 0)
    name = fault.partition("-")[2]
    content = steer(TEXT, chunks=CHUNKS, interval=0.03, fault=name, at=3)
    streamed, unstreamed = (ask(gateway, content, stream=stream) for stream in (True, False))
    assert (streamed.status, streamed.code) == (200, "upstream_inconsistent")
    assert streamed.finish_reason is None
    assert streamed.text
    assert TEXT.startswith(streamed.text)
    assert unstreamed.is_whole("~" + TEXT if name == "rewrite" else TEXT)
    assert gateway.metrics()[outcome] == before + 1


def test_c21_half_a_character_that_never_becomes_whole_is_replaced(gateway: GatewayProcess) -> None:
    content = steer(TEXT, chunks=CHUNKS, interval=0.02, fault="lone-surrogate")
    exact = TEXT[:1] + "\ufffd" + TEXT[1:]
    assert all(answer.is_whole(exact) for answer in both(gateway, content))
    alone = steer("a", chunks=1, fault="lone-surrogate")
    assert all(answer.is_whole("a\ufffd") for answer in both(gateway, alone))


def test_c22_an_end_without_any_text_is_an_empty_answer(gateway: GatewayProcess) -> None:
    assert all(answer.is_whole("") for answer in both(gateway, steer("")))


def test_c25_an_unknown_status_is_logged_once_and_ended_by_the_idle_timer(
    gateway: GatewayProcess,
) -> None:
    content = steer(
        TEXT, chunks=CHUNKS, interval=0.02, fault=["unknown-status", "silent"], status="pondering"
    )
    for answer in both(gateway, content):
        assert answer.code == "upstream_timeout"
        assert 1.3 < answer.seconds < 4
    assert gateway.log().count("pondering") == 1


def test_c28_events_that_go_to_everyone_reach_their_own_caller_only(
    gateway: GatewayProcess, narrow: GatewayProcess
) -> None:
    """Callers of two gateways, on three accounts, each of which hears the events of all."""
    before = dropped(gateway, "unknown_run") + dropped(narrow, "unknown_run")

    def one(number: int) -> tuple[str, Answer]:
        text = f"{number} says: {TEXT} and {number} again"
        fault = {"fault": "to-everyone"} if number % 3 else {}
        content = steer(text, chunks=12, interval=0.04, **fault)
        return text, ask((gateway, narrow)[number % 2], content, stream=number % 5 > 0)

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(one, range(16)))
    assert all(answer.is_whole(text) for text, answer in answers)
    assert dropped(gateway, "unknown_run") + dropped(narrow, "unknown_run") > before


def test_c12_c23_what_is_left_of_runs_that_were_abandoned_disturbs_nobody(
    narrow: GatewayProcess,
) -> None:
    """Late events of one run come while the next is on the same account."""
    content = partial(steer, chunks=6, interval=0.02, fault="late")
    before = dropped(narrow, "ended_run")
    for number in range(5):
        text = f"{number}: {TEXT}"
        assert all(answer.is_whole(text) for answer in both(narrow, content(text)))
    assert dropped(narrow, "ended_run") >= before + 10
