"""What a text runner cannot do by itself, made for one request: tool calls and JSON.

One object per request that asks for any of it; a request that does not never gets here.
"""

from collections.abc import Callable, Generator, Iterator, Sequence

from langfast_wsgi.conversation.events import Event
from langfast_wsgi.conversation.request import RunRequest
from langfast_wsgi.stages.instructions import Message, instructed
from langfast_wsgi.stages.json_output import judging as json_output
from langfast_wsgi.stages.json_output.form import Form
from langfast_wsgi.stages.reask import Judge, answered, chained
from langfast_wsgi.stages.tool_calls import judging as tool_calls
from langfast_wsgi.stages.tool_calls import prompt
from langfast_wsgi.stages.tool_calls.history import holds_calls, rewritten
from langfast_wsgi.stages.tool_calls.offer import Offer


class Emulation:
    """The conversation as the upstream is to see it, and the events that the caller gets."""

    def __init__(
        self,
        messages: Sequence[Message],
        *,
        offer: Offer | None = None,
        form: Form | None = None,
        streamed: bool = False,
    ) -> None:
        judges: list[Judge] = []
        texts: list[str] = []
        past = holds_calls(messages)
        if offer:
            judges.append(tool_calls.judging(offer))
            texts.append(prompt.instructions(offer))
        elif past:
            texts.append(prompt.NO_TOOLS)
        if form is not None:
            judges.append(json_output.judging(form, trickle=streamed))
            texts.append(form.instructions(beside_tools=bool(offer)))
        self._judges = judges
        told = rewritten(messages) if past else messages
        #: What the first run is asked.
        self.messages: Sequence[Message] = instructed(told, "\n\n".join(texts)) if texts else told

    def run(
        self, ask: Callable[[Sequence[Message]], Iterator[Event]], budget: int
    ) -> Generator[Event, None, None]:
        """The events of the answer; ``budget`` is how often the model may be asked again."""
        if not self._judges:
            yield from ask(self.messages)
            return
        judge = self._judges[0] if len(self._judges) == 1 else chained(*self._judges)
        yield from answered(ask, self.messages, judge, budget)


def emulation_of(request: RunRequest, *, streamed: bool) -> Emulation | None:
    """What the request asks for beyond plain text; None where it asks for nothing.

    Raises BadRequest for a schema that is none.
    """
    use, offer, form = request.tools, None, None
    if use is not None:
        offer = Offer(use, use.place)
    if request.json:
        form = Form(request.json_schema, request.json_place)
    if offer is None and form is None and not holds_calls(request.messages):
        return None
    return Emulation(request.messages, offer=offer, form=form, streamed=streamed)
