"""What the tests of stages share: texts cut into deltas, sources that know when they are closed."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from langfast_wsgi.conversation.calls import CallArguments, CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Pause, Replaced, Text


class Bell:
    """One that nobody waits for here."""

    listener = None

    def wait(self) -> bool:
        raise AssertionError("a stage waited")


PAUSE = Pause(Bell())


class Source:
    """Events that are taken one by one."""

    def __init__(self, *said: Event) -> None:
        self._events = iter(said)
        self.taken: list[Event] = []
        self.closed = False

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = next(self._events)
        self.taken.append(event)
        return event

    def close(self) -> None:
        self.closed = True


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    """The text, cut at these places."""
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(places)]


def stream(deltas: Sequence[str], reason: str = "stop", *, last: bool = True) -> list[Event]:
    """Deltas as a stream, a pause behind each, as a provider makes them."""
    said: list[Event] = []
    for number, delta in enumerate(deltas, 1):
        if number == len(deltas) and last:
            said.append(Text(delta, last=True))
        else:
            said += [Text(delta, bell=PAUSE.bell), PAUSE]
    return [*said, Finished(reason)]


def cut(text: str, cuts: Iterable[int], reason: str = "stop", *, last: bool = True) -> list[Event]:
    """A text as a stream, cut at these places."""
    return stream(pieces(text, cuts), reason, last=last)


cuts = st.lists(st.integers(0, 10_000), max_size=30)


def text_of(said: Iterable[Event]) -> str:
    """All text of a stream."""
    text = ""
    for event in said:
        if isinstance(event, Text):
            text += event.delta
        elif isinstance(event, Replaced):
            text = event.text
    return text


def reason_of(said: Sequence[Event]) -> str:
    """The finish reason; the stream must end with it."""
    ends = [event for event in said if isinstance(event, Finished)]
    assert [said[-1]] == ends
    return ends[0].reason


def calls_of(said: Iterable[Event]) -> list[tuple[str, str]]:
    """Names and arguments of the calls; they must come in the legal order."""
    calls: list[tuple[str, str]] = []
    ids = []
    for event in said:
        if isinstance(event, CallBegun):
            assert event.index == len(calls)
            ids.append(event.id)
            calls.append((event.name, ""))
        elif isinstance(event, CallArguments):
            assert event.delta
            assert event.index == len(calls) - 1
            calls[-1] = (calls[-1][0], calls[-1][1] + event.delta)
    assert len(set(ids)) == len(ids)
    return calls


def refusal_of(said: Iterable[Event]) -> str | None:
    """What was refused."""
    return next((event.text for event in said if isinstance(event, Refused)), None)


def assert_well_formed(said: Sequence[Event]) -> None:
    """No empty delta; text that says it is the last stands right before the end, and text that says
    where the stream pauses, right before that pause: who trusts that reads on at the bell only.
    """
    for number, event in enumerate(said):
        if isinstance(event, Text):
            assert event.delta
            if event.bell is not None:
                assert said[number + 1] == Pause(event.bell)
            if event.last:
                assert isinstance(said[number + 1], Finished)
