"""Stop sequences: the text ends before the first of them, and never shows a part of one.

Theory: a stop sequence may be spread over any number of deltas. Held back is only what may still
become one: the longest end of the text that begins a stop sequence. So a caller gets all other text
at once, and the same text however it was cut into deltas. Which one is first? A model that stops by
itself stops as soon as one is complete; so the one that is complete first wins, and of two that are
complete together the longer, which began earlier.
"""

from collections.abc import Iterator, Sequence

from langfast_wsgi.conversation.calls import CallBegun
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.stages.source import shut


class Watch:
    """Looks for words in text that comes piecewise."""

    __slots__ = ("_firsts", "_held", "_longest", "_words", "found", "word")

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(word for word in words if word)
        self._firsts = frozenset(word[0] for word in self._words)
        self._longest = max(map(len, self._words), default=0)
        self._held = ""
        #: The text from the first word on, once one was found. Nothing is to be fed any more.
        self.found: str | None = None
        #: The word that it was.
        self.word: str | None = None

    def feed(self, delta: str) -> str:
        """The text that can be shown now."""
        text = self._held + delta if self._held else delta
        place = self._first(text)
        if place is not None:
            end, at = place
            self.found, self.word, self._held = text[at:], text[at:end], ""
            return text[:at]
        shown = self._sure(text)
        self._held = text[shown:]
        return text[:shown] if self._held else text

    def flush(self) -> str:
        """What was held back: nothing comes behind it that could complete a word."""
        held, self._held = self._held, ""
        return held

    def _first(self, text: str) -> tuple[int, int] | None:
        """Where the word ends that is complete first, and where it begins."""
        found = [(at + len(word), at) for word in self._words if (at := text.find(word)) >= 0]
        return min(found) if found else None

    def _sure(self, text: str) -> int:
        """How much of the text cannot be the beginning of a word."""
        for at in range(max(0, len(text) - self._longest + 1), len(text)):
            if text[at] in self._firsts:
                end = text[at:]
                if any(word.startswith(end) for word in self._words):
                    return at
        return len(text)


def stopped(events: Iterator[Event], words: Sequence[str]) -> Iterator[Event]:
    """The events up to the first stop sequence; then the source is closed."""
    watch = Watch(words)
    shown = False
    try:
        for event in events:
            if isinstance(event, Text):
                text = watch.feed(event.delta)
                if event.last and watch.found is None:
                    text += watch.flush()
                if text:
                    shown = True
                    is_whole = text == event.delta and watch.found is None
                    yield event if is_whole else Text(text, event.last or watch.found is not None)
            elif isinstance(event, Replaced):
                watch = Watch(words)
                text = watch.feed(event.text)
                if shown or text:
                    yield Replaced(text) if shown else Text(text, watch.found is not None)
                    shown = True
            else:
                if isinstance(event, Finished | CallBegun) and (text := watch.flush()):
                    yield Text(text, last=isinstance(event, Finished))
                yield event
            if watch.found is not None:
                yield Finished("stop", watch.word)
                return
    finally:
        shut(events)
