"""A one-place queue per run: the newest text, and the end behind it.

Theory: text is cumulative, so an event makes every older one redundant. ``put`` replaces what was
not yet taken; a caller that is slow costs one event of memory, and coalescing under load comes for
free. The end is kept beside the text and read *before* it, so it can never overtake the last text:
whoever sees the end finds the newest text that came before it.

House rules: one reader; writers never wait for it, and may be the read loops of two sockets, the
starter and the keeper at once, so they take turns. The reader takes no lock: a writer fills, says
so, and rings; the reader is rung, takes what was said, and looks. The bell is a lock used as a
binary semaphore, which serves greenlets and threads alike. A wait has no timer of its own, which
would cost as much as all the rest: one clock ticks for all waiting readers.

A reader that waits may leave word of a listener: text is then told to it by the writer itself,
which spares waking the reader for each. The end and the clock wake the reader all the same.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from langfast_wsgi.errors import GatewayError, UpstreamGarbled
from langfast_wsgi.providers.langfast.increments import Bytes, Told

Ending: TypeAlias = str | GatewayError
"""A finish reason, or the fault that ended the run."""


class News(NamedTuple):
    """What was found: the whole text so far (None: nothing new), and the end if there is one."""

    text: str | None
    ending: Ending | None


class Mailbox:
    """The events of one run on their way from the socket to the caller."""

    __slots__ = (
        "_bell",
        "_ending",
        "_fresh",
        "_taken",
        "_text",
        "_writing",
        "heard_at",
        "least",
        "listener",
        "lost_at",
        "tellings",
        "told",
        "whole",
    )

    def __init__(self, writing: AbstractContextManager[object] | None = None) -> None:
        self._text = ""
        self._taken = ""
        self._ending: Ending | None = None
        self._fresh = False
        self._writing = writing or threading.Lock()
        self._bell = threading.Lock()
        self._bell.acquire()
        #: Characters that were said, as far as is known: an end behind fewer is none.
        self.least = 0
        #: See Bell.
        self.listener: Callable[[], bool] | None = None
        #: When something was put in last (monotonic clock); 0 before that.
        self.heard_at = 0.0
        #: When the socket went away under this run (monotonic clock); None while all is well.
        self.lost_at: float | None = None
        #: What was said last, in which bytes: repetitions of it need not be decoded.
        self.told: Told | None = None
        #: How often that was something else than more of the same.
        self.tellings = 0
        #: Text wakes nobody, and is no news to wait for: who looks around, or is woken by the end,
        #: finds it.
        self.whole = False

    def go_on(self, buffer: Bytes, begin: int, end: int) -> bool:
        """Whether the event in these bytes is more of what was told, and could be put in."""
        told = self.told
        if told is None:
            return False
        with self._writing:
            text = told.more(buffer, begin, end)
        return text is not None and self.put(text)

    def put(self, text: str | None, ending: Ending | None = None) -> bool:
        """The whole text so far, and the end if it is known; False where that is over.

        Shorter text is late text: it only counts as a sign of life. The first end wins, and nothing
        comes after it.
        """
        with self._writing:
            if self._ending is not None:
                return False
            if text is not None and (len(text) > len(self._text) or not _is_late(text, self._text)):
                self._text = text
            if isinstance(ending, str) and len(self._text) < self.least:
                ending = UpstreamGarbled("A part of the answer was lost: it came too early.")
            self._ending = ending
            self.lost_at = None
            self._fresh = True
            self.heard_at = time.monotonic()
        if ending is None and self.whole:
            return True
        listener = self.listener
        if listener is None or ending is not None or not listener():
            self.tick()
        return True

    def end(self, ending: Ending) -> None:
        """Nothing comes after this. The first end wins."""
        self.put(None, ending)

    def interrupt(self, now: float) -> None:
        """The socket is gone: until the next sign of life, ``lost_at`` says since when."""
        if self._ending is None and self.lost_at is None:
            self.lost_at = now
            self.tick()

    def tick(self) -> None:
        """Wake the reader, if only to look at the time."""
        if self._bell.locked():
            try:
                self._bell.release()
            except RuntimeError:
                pass  # another writer rang in the same instant, which is as good

    def wait(self, timeout: float = -1) -> bool:
        """See Bell. A ``timeout`` in seconds is for those who have no clock that ticks."""
        self._bell.acquire(timeout=timeout)
        return self._fresh and not self.whole

    def take(self) -> News | None:
        """The news, if there are any."""
        fresh, self._fresh = self._fresh, False
        if not fresh:
            return None
        ending = self._ending
        text = self._text
        if text is self._taken:
            return News(None, ending)
        self._taken = text
        return News(text, ending)


def _is_late(text: str, newest: str) -> bool:
    """Whether a text is older than another: shorter, or as long but cut inside a character.

    Half a surrogate pair counts as one character, like the whole one that replaces it.
    """
    if len(text) != len(newest):
        return len(text) < len(newest)
    return "\ud800" <= text[-1:] <= "\udbff"
