"""Who waits for a place, in a fair order: callers take turns, and each one's requests keep theirs.

Theory: a key that asks a thousand times would otherwise make everybody else wait behind its
thousand. So each key has a line of its own, and free places go round the keys that wait; with one
key, or an open API, that is first come, first served.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator

from langfast_wsgi.providers.langfast.turn import Turn


class Line:
    """The turns that wait. Not thread-safe: it lives under the pool's lock."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()  # whose turn it is, first
        self._callers: dict[Turn, str] = {}

    def __repr__(self) -> str:
        return f"<Line of {len(self)} by {len(self._waiting)} callers>"

    def __len__(self) -> int:
        return len(self._callers)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._callers)

    def __contains__(self, turn: object) -> bool:
        return turn in self._callers

    def append(self, turn: Turn, caller: str) -> None:
        """Behind the caller's other turns; a caller who was not waiting comes behind all others."""
        self._callers[turn] = caller
        self._waiting.setdefault(caller, deque()).append(turn)

    def discard(self, turn: Turn) -> None:
        """It waits no more, if it did."""
        if turn not in self._callers:
            return
        caller = self._callers.pop(turn)
        turns = self._waiting[caller]
        turns.remove(turn)
        if not turns:
            del self._waiting[caller]

    def first(self) -> Turn:
        """The next, left where it is. Raises StopIteration where nobody waits."""
        return next(iter(self._waiting.values()))[0]

    def places(self) -> int:
        """That are waited for."""
        return sum(turn.places for turn in self._callers)

    def popleft(self) -> Turn:
        """The next; its caller goes behind all others. Raises StopIteration where nobody waits."""
        caller = next(iter(self._waiting))
        turns = self._waiting[caller]
        turn = turns.popleft()
        del self._callers[turn]
        if turns:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]
        return turn
