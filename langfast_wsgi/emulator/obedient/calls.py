"""Which tools to call, and with what arguments."""

import re
from collections.abc import Sequence

from langfast_wsgi.emulator.obedient.demands import Choice
from langfast_wsgi.emulator.obedient.envelopes import Call
from langfast_wsgi.emulator.obedient.filling import filled
from langfast_wsgi.emulator.obedient.mentions import mentions
from langfast_wsgi.emulator.obedient.schemas import as_schema, entries, resolved
from langfast_wsgi.emulator.obedient.supply import Supply
from langfast_wsgi.emulator.obedient.tools import Tool

_MANY = re.compile(r"\b(?:both|all)\b", re.I)
_MANY_TOOLS = re.compile(
    r"\b(?:both|all)(?: of)?(?: the| these| your| available)* (?:tool|function)s", re.I
)
_MOST = 128


def calls(tools: Sequence[Tool], choice: Choice, words: str, preferred: str | None) -> list[Call]:
    """Return the calls that an obedient model makes when the user says these words."""
    wanted = _wanted(tools, choice, words)
    supplies = [Supply(words, skipped=_names(tools, tool), preferred=preferred) for tool in wanted]
    _share(wanted, supplies)
    made = []
    previous: Supply | None = None
    for tool, supply in zip(wanted, supplies, strict=True):
        if previous is not None:
            _pass_on(previous, supply)
        arguments = filled({"type": "object", **tool.parameters}, supply)
        made.append(Call(tool.name, arguments if isinstance(arguments, dict) else {}))
        previous = supply
    return made


def _wanted(tools: Sequence[Tool], choice: Choice, words: str) -> list[Tool]:
    """Return the tools to call, one as often as it is to be called."""
    by_name = {tool.name: tool for tool in tools}
    pool = [by_name[choice.named]] if choice.named in by_name else list(tools)
    named = [by_name[str(name)] for name in mentions([tool.name for tool in pool], words)]
    many = _MANY.search(words) is not None
    if choice.only_one:
        return (named or pool)[:1]
    if len(named) > 1:
        return named[:_MOST]
    single = named or pool[:1]
    if many and (len(pool) == 1 or (named and not _MANY_TOOLS.search(words))):
        times = _times(single[0], Supply(words, skipped=_names(tools, single[0])))
        if len(pool) == 1 or times > 1:
            return single * times
    return pool[:_MOST] if many else single


def _names(tools: Sequence[Tool], tool: Tool) -> tuple[str, ...]:
    """Return the words that are no values: names of tools, and of what they take."""
    return (*(one.name for one in tools), *as_schema(tool.parameters.get("properties")))


def _times(tool: Tool, supply: Supply) -> int:
    """Return how often the values of the words fill the tool's parameters."""
    names, numbers = supply.names(), supply.left("number")
    texts = _count(tool, ("string",))
    if len(names) > 1 and texts:
        return min(max(len(names) // texts, 1), _MOST)
    quantities = _count(tool, ("number", "integer"))
    if len(numbers) > 1 and quantities and len(names) < 2:
        return min(max(len(numbers) // quantities, 1), _MOST)
    return 1


def _count(tool: Tool, kinds: tuple[str, ...]) -> int:
    """Count the required parameters of these types; all of them if none is required."""
    properties = as_schema(tool.parameters.get("properties"))
    required = entries(tool.parameters.get("required")) or list(properties)
    plains = [
        resolved(properties[name], tool.parameters) for name in properties if name in required
    ]
    return sum("enum" not in plain and plain.get("type") in kinds for plain in plains)


def _share(wanted: Sequence[Tool], supplies: Sequence[Supply]) -> None:
    """Give each of several calls its own part of the names, where they suffice for all."""
    if len(wanted) < 2:
        return
    names = supplies[0].names()
    share = len(names) // len(wanted)
    if not share:
        return
    for place, supply in enumerate(supplies):
        own = names[place * share : (place + 1) * share]
        supply.use(*(name for name in names if name not in own))


def _pass_on(previous: Supply, supply: Supply) -> None:
    """Let a call go on with the numbers that the one before it has left, if any."""
    left = previous.left("number")
    if left:
        supply.use(*(spot for spot in supply.left("number") if spot not in left))
