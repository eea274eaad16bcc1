"""The stage that makes JSON of text.

Theory: with a schema nothing is sent before the whole document is known to fit, so nothing has to
be taken back and every answer that does not fit can be asked for again. Without one any object will
do; then it may trickle, and what has passed is at any moment the beginning of a valid object (see
``mending.py``). There is no asking again behind it: an object that breaks beyond mending is a
fault. Where the answer is not streamed nobody is served by that, and ``trickle`` is to be off.

An answer that a limit has cut passes as far as it goes, for its finish reason says so. When there
is no more asking, and the model gave words where a schema was to be filled, these are a refusal.
"""

from collections.abc import Generator, Iterator

from langfast_wsgi.conversation.calls import CallBegun, Refused
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.errors import UpstreamGarbled
from langfast_wsgi.stages.json_output.form import Form, NotFitting
from langfast_wsgi.stages.mending import Document, State
from langfast_wsgi.stages.reask import CUT, Again, Judge, Verdict


def judging(form: Form, *, trickle: bool) -> Judge:
    """The judge of the answers to one request."""
    trickle = trickle and not form.has_schema

    def judge(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
        answer, shown, called = _Answer(form, trickle), False, False
        for event in events:
            if isinstance(event, Text):
                text = answer.feed(event.delta)
                if text:
                    shown = True
                    yield Text(text, event.last and answer.whole)
            elif isinstance(event, Replaced):
                answer = _Answer(form, trickle)
                text = answer.feed(event.text)
                if shown or text:
                    yield Replaced(text) if shown else Text(text)
                    shown = True
            elif isinstance(event, Finished):
                left = None if called else answer.end(event.reason, shown=shown, last=last)
                if isinstance(left, Again):
                    return left
                if left is not None:
                    yield left
                yield event
            else:
                called = called or isinstance(event, CallBegun)
                yield event
        return None

    return judge


class _Answer:
    """How far an answer has come."""

    def __init__(self, form: Form, trickle: bool) -> None:
        self._form = form
        self._trickle = trickle
        self._text: list[str] = []
        self._document = Document(form.brackets)

    @property
    def whole(self) -> bool:
        """Whether the document has ended."""
        return self._document.state is State.WHOLE

    def feed(self, delta: str) -> str:
        """What is new of the document, where it may trickle."""
        self._text.append(delta)
        return self._document.feed(delta) if self._trickle else ""

    def end(self, reason: str, *, shown: bool, last: bool) -> Text | Refused | Again | None:
        """What is left to be said before the end, if anything."""
        text = "".join(self._text)
        if shown:
            return _last("" if reason in CUT else self._finish())
        document = Document(self._form.brackets)
        found = document.feed(text)
        if reason in CUT:
            return _last(found or text)
        try:
            return _last(self._form.take(text))
        except NotFitting as problem:
            if not last:
                return Again(text, self._form.correction(problem))
            if self._form.has_schema and not document.begun and text.strip():
                return Refused(text.strip())
            raise _fault() from problem

    def _finish(self) -> str:
        rest = self._document.finish()
        if not self.whole:
            raise _fault()
        return rest


def _last(text: str) -> Text | None:
    return Text(text, last=True) if text else None


def _fault() -> UpstreamGarbled:
    return UpstreamGarbled(
        "The model's answer is not the JSON that the request asks for.",
        code="upstream_invalid_json",
        retry=False,
    )
