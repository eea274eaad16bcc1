"""What filling an array or an object needs of the one that fills its parts."""

from typing import Protocol

from langfast_wsgi.emulator.obedient.schemas import Schema
from langfast_wsgi.emulator.obedient.supply import Supply


class Worker(Protocol):
    """Fills schemas; arrays and objects give it their parts."""

    @property
    def supply(self) -> Supply:
        """The values of the prompt."""

    @property
    def deep(self) -> bool:
        """Whether nesting has gone so far that what can end should end."""

    def fill(self, schema: object, name: str = "", avoid: tuple[object, ...] = ()) -> object:
        """Return a value that fits a schema, for a property of this name."""

    def fits(self, value: object, schema: object) -> bool:
        """Whether a value fits a schema."""

    def plain(self, schema: object) -> Schema:
        """Return the first of the alternatives that a schema allows."""
