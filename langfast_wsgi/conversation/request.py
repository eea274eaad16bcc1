"""What a caller wants run, freed from the dialect in which it was asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langfast_wsgi.conversation.calls import ToolUse


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run. ``None`` means that the caller did not say: the provider's default holds.

    ``messages`` are the caller's own JSON objects, untouched: ``role``, ``content`` and whatever
    else stood in them.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    max_completion_tokens: int | None = None
    #: The text ends before the first of these.
    stop: Sequence[str] = ()
    tools: ToolUse | None = None
    #: The answer is to be one JSON object; with a schema, whatever fits it.
    json: bool = False
    json_schema: Mapping[str, Any] | None = None
    #: Nobody looks at the text before its end, so it need not be told bit by bit.
    whole: bool = False
    #: Whose request it is, for a fair order among those who wait.
    caller: str = ""
    #: How the dialect calls the place of the schema, for a fault.
    json_place: str = "response_format.json_schema.schema"
