"""The words of the tables.

* ``native``: it does what the API says.
* ``emulated``: it does what the API says; the gateway makes it of plain text.
* ``ignored``: it has no effect. The caller is told so, or refused where the operator wants that.
* ``rejected``: a 400, since an answer without it would not be what was asked for.

A value that asks for nothing (``idle``) is always taken, and so is null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a field, and a word on how."""

    how: Literal["native", "emulated", "ignored", "rejected"]
    note: str = ""
    idle: tuple[Any, ...] = ()


Table: TypeAlias = Mapping[str, Treatment]


def native(note: str = "") -> Treatment:
    """Passed on, or done by the gateway as it stands."""
    return Treatment("native", note)


def emulated(note: str) -> Treatment:
    """Made of plain text."""
    return Treatment("emulated", note)


def ignored(*idle: Any, note: str = "") -> Treatment:
    """Without effect, and told so, unless it is one of the idle values."""
    return Treatment("ignored", note, idle)


def rejected(*idle: Any, note: str = "") -> Treatment:
    """Refused, unless it is one of the idle values."""
    return Treatment("rejected", note, idle)
