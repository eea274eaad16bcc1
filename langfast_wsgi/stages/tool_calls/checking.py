"""Only valid calls pass: to a tool that may be called, with an object that fits its parameters."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langfast_wsgi.stages.repair import dumps, mended
from langfast_wsgi.stages.tool_calls import prompt
from langfast_wsgi.stages.tool_calls.offer import Offer
from langfast_wsgi.stages.tool_calls.reading import Found

_MOST_NAMES = 20
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Call:
    """A valid call; the arguments are the JSON text of an object."""

    name: str
    arguments: str


class NotValid(Exception):
    """Why the calls cannot be made, in a sentence for the model."""


def checked(found: Sequence[Found], offer: Offer) -> list[Call]:
    """The calls that are to be made. Raises NotValid if there is none, or one of them is wrong."""
    if not found:
        raise NotValid("it is not in the form of a tool call.")
    return [_checked(one, offer) for one in (found[:1] if offer.single else found)]


def correction(problem: NotValid) -> str:
    """What the model is told, in order that it does better."""
    return (
        f"Your answer could not be used: {problem}\n"
        "Answer again, with nothing but the tool call, in exactly this form:\n"
        f"{prompt.FORM}"
    )


def _checked(found: Found, offer: Offer) -> Call:
    offered = offer.find(found.name)
    if offered is None:
        names = ", ".join(offer.names()[:_MOST_NAMES])
        called = dumps(found.name[:_LONGEST_NAME])
        raise NotValid(f"no tool {called} can be called now. What can be called: {names}.")
    name = offered.tool.name
    arguments = _object(found.arguments)
    if arguments is None:
        raise NotValid(f"the arguments of {name} must be one JSON object.")
    problem = offered.schema.problem(arguments)
    if problem is not None:
        raise NotValid(f"the arguments of {name} do not fit its parameters: {problem}.")
    try:
        return Call(name, dumps(arguments))
    except ValueError:
        raise NotValid(f"the arguments of {name} hold a number that is too large.") from None


def _object(arguments: Any) -> dict[str, Any] | None:
    """The arguments as an object. Some models write its JSON as a string, or none at all."""
    if arguments is None or arguments == "":
        return {}
    if isinstance(arguments, str):
        found = mended(arguments) if arguments.lstrip().startswith("{") else None
        try:
            arguments = json.loads(found[0]) if found else None
        except ValueError:
            return None
    return arguments if isinstance(arguments, dict) else None
