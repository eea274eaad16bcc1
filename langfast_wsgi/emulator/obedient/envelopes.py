"""The form in which a prompt wants calls to be written, and calls written in it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

# Places in a unit; no prompt holds these characters where an example call stands.
NAME = "\x00"
QUOTED_NAME = "\x01"
ARGUMENTS = "\x02"
ARGUMENTS_AS_TEXT = "\x03"
NUMBER = "\x04"


@dataclass(frozen=True, slots=True)
class Call:
    """A call as the model wants to make it."""

    name: str
    arguments: object


@dataclass(frozen=True, slots=True)
class Envelope:
    """The form of calls.

    opening, closing: what stands before and after a block, with its line breaks.
    unit: one call, with places for its name and arguments.
    together: whether all calls stand in one block, separated by commas.
    """

    opening: str
    unit: str
    closing: str
    together: bool = False

    def write(self, calls: Iterable[Call]) -> str:
        """Return the calls as text."""
        units = [self._fill(call, number) for number, call in enumerate(calls, 1)]
        if self.together:
            return f"{self.opening}{', '.join(units)}{self.closing}"
        return "\n".join(f"{self.opening}{unit}{self.closing}" for unit in units)

    def _fill(self, call: Call, number: int) -> str:
        arguments = json.dumps(call.arguments, ensure_ascii=False)
        # Character by character, so that values that hold a place's mark stay whole.
        values = {
            NAME: call.name,
            QUOTED_NAME: json.dumps(call.name, ensure_ascii=False),
            ARGUMENTS: arguments,
            NUMBER: str(number),
            ARGUMENTS_AS_TEXT: json.dumps(arguments, ensure_ascii=False),
        }
        return "".join(values.get(character, character) for character in self.unit)


UNIT = f'{{"name": {QUOTED_NAME}, "arguments": {ARGUMENTS}}}'

# What many models are trained on, and so what a prompt without an example gets.
HERMES = Envelope("<tool_call>\n", UNIT, "\n</tool_call>")
