"""Several answers to one request, as one stream.

Theory: a stream has a pause wherever it has nothing, so one reader can read several in turn: each
up to its pause, then the next. Where all of them pause, so do they together, with one bell. Who
listens to that bell listens to all of theirs; what wakes its waiter is the concern of whoever gives
the streams. One that fails ends them all.
"""

from collections.abc import Callable, Generator, Iterator, Sequence

from langfast_wsgi.conversation.events import Bell, Chosen, Event, Finished, Pause, Usage


class Bells:
    """The bells of several streams as one."""

    __slots__ = ("_listener", "_members", "_wait")

    def __init__(self, wait: Callable[[], bool]) -> None:
        self._wait = wait
        self._members: dict[int, Bell] = {}
        self._listener: Callable[[], bool] | None = None

    @property
    def listener(self) -> Callable[[], bool] | None:
        """See Bell."""
        return self._listener

    @listener.setter
    def listener(self, listener: Callable[[], bool] | None) -> None:
        self._listener = listener
        for bell in self._members.values():
            bell.listener = listener

    def join(self, index: int, bell: Bell) -> None:
        """This stream waits for this bell now."""
        if self._members.get(index) is not bell:
            self._members[index] = bell
            bell.listener = self._listener

    def wait(self) -> bool:
        """See Bell."""
        return self._wait()


def side_by_side(
    streams: Sequence[Iterator[Event]], wait: Callable[[], bool]
) -> Generator[Event, None, None]:
    """The events of all streams; ``wait`` blocks until there may be news in any of them.

    Behind them the end, and the usage where they counted any: of the prompt once, of all answers.
    """
    bells = Bells(wait)
    pause = Pause(bells)
    going = dict(enumerate(streams))
    usages: list[Usage] = []
    while going:
        for index, stream in list(going.items()):
            for event in stream:
                if isinstance(event, Pause):
                    bells.join(index, event.bell)
                    break
                if isinstance(event, Usage):
                    usages.append(event)
                else:
                    yield Chosen(index, event)
            else:
                del going[index]
        if going:
            yield pause
    yield Finished("stop")
    if usages:
        answers = sum(usage.completion_tokens for usage in usages)
        yield Usage(usages[0].prompt_tokens, answers)
