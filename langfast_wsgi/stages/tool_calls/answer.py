"""How far an answer has come, and whether it is text or calls."""

from langfast_wsgi.stages.stop import Watch
from langfast_wsgi.stages.tool_calls import opening
from langfast_wsgi.stages.tool_calls.offer import Offer


class Answer:
    """Takes the text of an answer, and gives what of it can be shown.

    At first it is *open*: its first characters are kept until they tell what it is. Then it *talks*
    and is watched for a marker, or it *calls*, and the rest is kept.
    """

    def __init__(self, offer: Offer) -> None:
        self._names = offer.names()
        self._kept: list[str] = []
        self._watch: Watch | None = None
        #: It calls, or means to; a marker says so, or only its beginning looks like it.
        self.calls = self.marked = offer.required

    def feed(self, delta: str) -> str:
        """The text that can be shown now."""
        if self._watch is not None and not self.calls:
            return self._talk(self._watch, delta)
        self._kept.append(delta)
        return "" if self.calls else self._open()

    def rest(self) -> str:
        """What was kept and not shown: all of a call, or the end of a text."""
        return self._watch.flush() if self._watch and not self.calls else "".join(self._kept)

    def end(self) -> str:
        """No text comes behind: what is kept of a text that is known to be one."""
        return self._watch.flush() if self._watch and not self.calls else ""

    def _open(self) -> str:
        head = "".join(self._kept)
        found = opening.verdict(head, self._names)
        if found is opening.Verdict.UNSURE:
            return ""
        if found is opening.Verdict.TEXT:
            self._watch = Watch(opening.MARKERS)
            return self._talk(self._watch, head)
        self.calls, self.marked = True, found is opening.Verdict.MARKED
        return ""

    def _talk(self, watch: Watch, delta: str) -> str:
        shown = watch.feed(delta)
        if watch.found is not None:
            self.calls = self.marked = True
            self._kept = [watch.found]
        return shown
