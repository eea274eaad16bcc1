"""Each toxic does to a line of parcels what its name says. No socket, no clock."""

import itertools

import pytest

from tests.support.toxics import (
    Bandwidth,
    Down,
    Hold,
    Latency,
    LimitData,
    Parcel,
    ResetPeer,
    Signal,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

NOW = 1000.0
TEXT = bytes(range(256)) * 4


def through(toxic: Toxic, *loads: bytes | Signal) -> list[Parcel]:
    """What becomes of these, all sent at once."""
    hold = Hold(toxic, NOW)
    parcels = [Parcel(NOW, load) for load in loads]
    return [
        *hold.begin(NOW),
        *itertools.chain.from_iterable(hold.take(parcel) for parcel in parcels),
    ]


def data(parcels: list[Parcel]) -> bytes:
    return b"".join(one.load for one in parcels if isinstance(one.load, bytes))


def signals(parcels: list[Parcel]) -> list[tuple[float, Signal]]:
    return [(one.due - NOW, one.load) for one in parcels if isinstance(one.load, Signal)]


ALL = [
    Latency(0.1, jitter=0.05),
    Down(),
    Bandwidth(1000),
    SlowClose(1),
    Timeout(1),
    ResetPeer(1),
    Slicer(10, 5, 0.01),
    LimitData(2000),
]
BENIGN = [one for one in ALL if isinstance(one, Latency | Bandwidth | SlowClose | Slicer)]


@pytest.mark.parametrize("toxic", ALL, ids=lambda one: type(one).__name__)
def test_nothing_is_due_earlier_than_what_was_sent_before_it(toxic: Toxic) -> None:
    moments = [one.due for one in through(toxic, b"a", TEXT, b"b", Signal.END)]
    assert moments == sorted(moments)
    assert all(moment >= NOW for moment in moments)


@pytest.mark.parametrize("toxic", BENIGN, ids=lambda one: type(one).__name__)
def test_toxics_that_only_delay_lose_nothing_and_change_no_order(toxic: Toxic) -> None:
    found = through(toxic, b"a", TEXT, b"b", Signal.END)
    assert data(found) == b"a" + TEXT + b"b"
    assert found[-1].load is Signal.END


@pytest.mark.parametrize(
    "toxic",
    [
        Latency(5, after_bytes=4),
        Down(after_bytes=4),
        Bandwidth(1, after_bytes=4),
        SlowClose(5, after_bytes=4),
        Timeout(5, after_bytes=4),
        ResetPeer(5, after_bytes=4),
        Slicer(1, after_bytes=4),
        LimitData(0, after_bytes=4),
    ],
    ids=lambda one: type(one).__name__,
)
def test_after_so_many_bytes_it_takes_hold_and_not_one_earlier(toxic: Toxic) -> None:
    hold = Hold(toxic, NOW)
    before = [*hold.begin(NOW), *hold.take(Parcel(NOW, b"ab")), *hold.take(Parcel(NOW, b"cd"))]
    assert data(before) == b"abcd"
    assert {one.due for one in before if isinstance(one.load, bytes)} == {NOW}
    behind = [*hold.take(Parcel(NOW, b"efghij")), *hold.take(Parcel(NOW, Signal.END))]
    assert behind != [Parcel(NOW, b"efghij"), Parcel(NOW, Signal.END)]
    at_once = data([one for one in behind if one.due == NOW])
    # The one leaves all bytes alone, the other only cuts them.
    assert at_once == (b"efghij" if isinstance(toxic, SlowClose | Slicer) else b"")


def test_a_parcel_is_cut_where_a_toxic_takes_hold() -> None:
    found = through(Timeout(after_bytes=4), b"abcdefgh", b"i")
    assert data(found) == b"abcd"


def test_latency_is_its_delay_give_or_take_its_jitter() -> None:
    toxic = Latency(0.5, jitter=0.2)
    delays = {through(toxic, b"x")[0].due - NOW for _ in range(200)}
    assert 0.3 <= min(delays) < 0.4
    assert 0.6 < max(delays) <= 0.7
    assert through(Latency(0.5), b"x") == [Parcel(NOW + 0.5, b"x")]
    assert signals(through(Latency(0.5), Signal.END)) == [(0.5, Signal.END)]


def test_down_is_down_at_once() -> None:
    assert signals(through(Down(), b"x", Signal.END)) == [(0.0, Signal.DOWN)]


def test_bandwidth_hands_on_so_many_bytes_in_a_second() -> None:
    found = through(Bandwidth(1024), TEXT, b"more")
    half = b"".join(one.load for one in found if one.due <= NOW + 0.5)  # type: ignore[misc]
    assert 450 <= len(half) <= 512
    assert found[-1].due == pytest.approx(NOW + 1028 / 1024)


def test_bandwidth_below_one_byte_in_a_twentieth_of_a_second_drips_single_bytes() -> None:
    found = through(Bandwidth(2), b"abc")
    assert [(one.due - NOW, one.load) for one in found] == [(0.5, b"a"), (1.0, b"b"), (1.5, b"c")]


def test_slow_close_delays_an_end_or_a_reset_and_no_byte() -> None:
    assert through(SlowClose(3), b"x") == [Parcel(NOW, b"x")]
    for signal in (Signal.END, Signal.RESET):
        assert signals(through(SlowClose(3), signal)) == [(3.0, signal)]


def test_timeout_swallows_everything_and_closes_after_its_time_or_never() -> None:
    found = through(Timeout(2), b"x", Signal.END)
    assert (data(found), signals(found)) == (b"", [(2.0, Signal.CLOSE)])
    assert through(Timeout(), b"x", Signal.END) == []


def test_what_was_swallowed_is_known() -> None:
    hold = Hold(Timeout(), NOW)
    list(hold.begin(NOW))
    assert hold.swallowed == 0
    list(hold.take(Parcel(NOW, b"xyz")))
    assert hold.swallowed == 3
    list(hold.take(Parcel(NOW, Signal.END)))
    assert hold.swallowed == 4


def test_reset_peer_swallows_everything_and_resets_after_its_time() -> None:
    found = through(ResetPeer(2), b"x", Signal.END)
    assert (data(found), signals(found)) == (b"", [(2.0, Signal.RESET)])


def test_a_slicer_cuts_within_its_variation_and_waits_between_two_pieces() -> None:
    found = through(Slicer(10, 4, 0.5), TEXT)
    sizes = {len(one.load) for one in found if isinstance(one.load, bytes)}
    assert len(sizes) > 1
    assert max(sizes) <= 14
    assert found[0].due == NOW
    gaps = {later.due - earlier.due for earlier, later in itertools.pairwise(found)}
    assert gaps == {0.5}


def test_a_limit_lets_exactly_its_bytes_through_then_closes() -> None:
    found = through(LimitData(5), b"abc", b"defg")
    assert (data(found), signals(found)) == (b"abcde", [(0.0, Signal.CLOSE)])
    assert signals(through(LimitData(3), b"abc")) == [(0.0, Signal.CLOSE)]
    assert signals(through(LimitData(4), b"abc")) == []
    assert signals(through(LimitData(0))) == []


def test_one_toxic_serves_many_connections_and_counts_for_each() -> None:
    toxic = LimitData(3)
    assert data(through(toxic, b"abcdef")) == b"abc"
    assert data(through(toxic, b"abcdef")) == b"abc"
