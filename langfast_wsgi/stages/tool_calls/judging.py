"""The stage that makes calls of text.

Theory: the first characters of an answer tell whether it calls. Where it does not, its text passes
at once, but for what may be the beginning of a marker; a call may stand behind some text as well.
Calls are held to the end of the answer, and said when all of them are complete and valid: what is
half sent cannot be taken back, and without its end nobody knows whether it is valid. So arguments
do not trickle, but a call that is not valid can be asked for again without a trace. Not so behind
text that was sent already: there, calls that are not valid are text, too. Where a call is required,
text alone is no answer, and nothing passes before the end.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from uuid import uuid4

from langfast_wsgi.conversation.calls import CallArguments, CallBegun
from langfast_wsgi.conversation.events import Event, Finished, Replaced, Text
from langfast_wsgi.errors import UpstreamGarbled
from langfast_wsgi.stages.reask import CUT, Again, Judge, Verdict
from langfast_wsgi.stages.tool_calls.answer import Answer
from langfast_wsgi.stages.tool_calls.checking import Call, NotValid, checked, correction
from langfast_wsgi.stages.tool_calls.offer import Offer
from langfast_wsgi.stages.tool_calls.reading import bare_arguments, read


def call_id() -> str:
    """A new id, as OpenAI's look."""
    return f"call_{uuid4().hex[:24]}"


def judging(offer: Offer, new_id: Callable[[], str] = call_id) -> Judge:
    """The judge of the answers to one request."""

    def judge(events: Iterator[Event], last: bool) -> Generator[Event, None, Verdict]:
        answer, shown = Answer(offer), False
        for event in events:
            if isinstance(event, Text):
                text = answer.feed(event.delta) + (answer.end() if event.last else "")
                if text:
                    shown = True
                    whole = text == event.delta and not answer.calls
                    yield event if whole else Text(text, event.last and not answer.calls)
            elif isinstance(event, Replaced):
                answer = Answer(offer)
                text = answer.feed(event.text)
                if shown or text:
                    yield Replaced(text) if shown else Text(text)
                    shown = True
            elif isinstance(event, Finished):
                again = yield from _end(answer, event, offer, new_id, final=last or shown)
                if again is not None:
                    return again
            else:
                yield event
        return None

    return judge


def _end(
    answer: Answer, end: Finished, offer: Offer, new_id: Callable[[], str], *, final: bool
) -> Generator[Event, None, Verdict]:
    rest, cut = answer.rest(), end.reason in CUT
    calls: Sequence[Call] = ()
    try:
        if answer.calls:
            calls = _calls(rest, offer, marked=answer.marked, cut=cut)
    except NotValid as problem:
        if not final and not cut:
            return Again(rest, correction(problem))
        if offer.required and not cut:
            raise UpstreamGarbled(
                "The model made no valid tool call, though the request requires one.",
                code="upstream_no_tool_call",
                retry=False,
            ) from problem
    if calls:
        yield from _said(calls, new_id)
    elif rest:
        yield Text(rest, last=True)
    yield Finished("tool_calls") if calls and not cut else end
    return None


def _calls(text: str, offer: Offer, *, marked: bool, cut: bool) -> Sequence[Call]:
    """The calls; none where nothing marks the text as one and it turned out to be none."""
    found = read(text, offer, marked=marked, cut=cut)
    if not found and not cut:
        found = bare_arguments(text, offer)
    return checked(found, offer) if found or marked else ()


def _said(calls: Sequence[Call], new_id: Callable[[], str]) -> Generator[Event, None, None]:
    for index, call in enumerate(calls):
        yield CallBegun(index, new_id(), call.name)
        yield CallArguments(index, call.arguments)
