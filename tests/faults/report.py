"""What a programme measured: a figure a line, with what was promised and whether it was kept."""

import sys
from dataclasses import dataclass, field

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; ``kept`` is None where nothing was promised."""

    name: str
    value: str
    promise: str = ""
    kept: bool | None = None

    def __str__(self) -> str:
        mark = {True: "kept", False: "BROKEN", None: ""}[self.kept]
        return f"  {self.name:44} {self.value:>24}  {self.promise:24} {mark}".rstrip()


@dataclass(slots=True)
class Report:
    """The figures of one programme, and what went wrong in words."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)

    def figure(self, name: str, value: object, promise: str = "", kept: bool | None = None) -> None:
        """Add a figure."""
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        self.figures.append(Figure(name, shown, promise, kept))

    def most(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Add a figure that may not be above a limit."""
        shown, bound = (f"{one:.4g} {unit}".strip() for one in (value, limit))
        self.figures.append(Figure(name, shown, f"at most {bound}", value <= limit))

    def none(self, name: str, wrongs: list[str]) -> None:
        """Add the number of things that must not happen, each told in words."""
        self.figures.append(Figure(name, str(len(wrongs)), "0", not wrongs))
        self.wrongs += wrongs

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return all(figure.kept is not False for figure in self.figures)

    def __str__(self) -> str:
        lines = [self.title, *(str(figure) for figure in self.figures)]
        lines += [f"  ! {wrong}" for wrong in self.wrongs[:SHOWN]]
        if len(self.wrongs) > SHOWN:
            lines.append(f"  ! and {len(self.wrongs) - SHOWN} more")
        return "\n".join(lines)


def say(line: str) -> None:
    """A line for whoever watches."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
