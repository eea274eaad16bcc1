"""Several answers to one request, as one stream.

Theory: a stream has a pause wherever it has nothing, so one reader can read several in turn: each
up to its pause, then the next. Where all of them pause, so do they together, with one bell; what
rings it is the concern of whoever gives the streams. One that fails ends them all.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

from langfast_wsgi.conversation.events import Chosen, Event, Finished, Pause, Usage


@dataclass(slots=True)
class Bells:
    """The bells of several streams as one.

    ``listener`` is never called: news of one stream is the time to look at all, and what that may
    begin or end is the business of who waits.
    """

    wait: Callable[[], bool]
    listener: Callable[[], bool] | None = None


def side_by_side(
    streams: Sequence[Iterator[Event]], wait: Callable[[], bool]
) -> Generator[Event, None, None]:
    """The events of all streams; ``wait`` blocks until there may be news in any of them.

    Behind them the end, and the usage where they counted any: of the prompt once, of all answers.
    """
    pause = Pause(Bells(wait))
    going = dict(enumerate(streams))
    usages: list[Usage] = []
    while going:
        for index, stream in list(going.items()):
            for event in stream:
                if isinstance(event, Pause):
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
