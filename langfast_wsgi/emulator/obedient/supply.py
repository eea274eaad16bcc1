"""The values of a message, handed out in order, each once before any is used again."""

import re
from collections.abc import Collection, Iterator

from langfast_wsgi.emulator.obedient.spots import Spot, folded, spots
from langfast_wsgi.emulator.obedient.vocabulary import listed

Number = int | float

_LONGEST = 100  # of a sentence that is given where there is nothing better

_CONNECTIVE = (
    r"\W{0,3}(?:(?:is|are|of|to|as|at|in|from|be|was|named|called|for|equals?|set|with)\W{1,3})"
    r"{0,2}"
)
_PLACE = listed("city location place destination origin town country region address")
_NAMING = _PLACE | listed(
    "name person user username customer author company recipient to from contact title"
)
_CODED = listed("id code zip postcode postal number phone ref reference sku order key")
_HINTS = {
    "email": ("email", "mail"),
    "uri": ("url", "uri", "link", "website", "href"),
    "date": ("date", "day", "when", "birthday", "start", "end"),
    "day": ("date", "day", "when", "start", "end", "due"),
    "date-time": ("datetime", "timestamp", "when", "start", "end"),
    "time": ("time", "when", "hour"),
    "ipv4": ("ip", "address", "host"),
    "uuid": ("uuid", "id", "guid"),
}
_RELATED = {"date-time": ("date",), "date": ("date-time",), "time": ("date-time",)}


def is_naming(name: str) -> bool:
    """Whether a property of this name wants the name of somebody or something."""
    return not _NAMING.isdisjoint(folded(name).split())


class Supply:
    """Hands out what stands in a text.

    preferred: a text that goes before all others wherever a string is wanted.
    whole: one that goes first where no name is wanted, such as the result of a tool.
    """

    def __init__(
        self,
        text: str,
        *,
        skipped: Collection[str] = (),
        preferred: str | None = None,
        whole: str | None = None,
    ) -> None:
        self.text = text
        self.preferred = preferred
        self.whole = whole
        self._spots = spots(text, frozenset(folded(name) for name in skipped))
        self._used: frozenset[Spot] = frozenset()

    def __repr__(self) -> str:
        return f"<Supply of {len(self._spots)} values, {len(self._used)} used>"

    def mark(self) -> frozenset[Spot]:
        """Return a state to which `reset` can go back."""
        return self._used

    def reset(self, mark: frozenset[Spot]) -> None:
        """Forget what was used since the mark."""
        self._used = mark

    def use(self, *used: Spot) -> None:
        """Count values as used, and their twins of another kind at the same place."""
        places = {(spot.start, spot.text) for spot in used}
        twins = {spot for spot in self._spots if (spot.start, spot.text) in places}
        inner = {spot for spot in self._spots for one in used if _within(spot, one)}
        self._used |= twins | inner | frozenset(used)

    def names(self) -> tuple[Spot, ...]:
        """Return the quoted phrases and capitalised words, without repetition."""
        unique: dict[str, Spot] = {}
        for spot in self._of("quoted", "proper"):
            unique.setdefault(spot.text, spot)
        return tuple(unique.values())

    def left(self, *kinds: str) -> tuple[Spot, ...]:
        """Return what is not used yet of these kinds, kind by kind."""
        return tuple(spot for spot in self._of(*kinds) if spot not in self._used)

    def labelled(self, name: str, *kinds: str) -> tuple[Spot, ...]:
        """Return the unused values that the text itself gives to this name."""
        label = r"[\W_]{0,2}".join(map(re.escape, folded(name).split()))
        if not label or len(label) > 100:
            return ()
        joint = r"\s?[=:]\s?" if len(label) == 1 else _CONNECTIVE
        pattern = re.compile(rf"(?<![^\W_]){label}{joint}\Z", re.I)
        return tuple(spot for spot in self.left(*kinds) if pattern.search(spot.before))

    def numbers(self, name: str) -> Iterator[tuple[Spot, Number]]:
        """Yield the unused numbers, the best for this name first."""
        for spot in _unique(self.labelled(name, "number"), self.left("number")):
            yield spot, _number(spot.text)

    def strings(self, name: str, form: str = "") -> Iterator[Spot]:
        """Yield texts for a property of this name and format, the best first."""
        if self.preferred is not None:
            yield Spot("preferred", self.preferred, -1, "")
        words = set(folded(name).split())
        kinds = [form, *_RELATED.get(form, ())]
        kinds += [kind for kind, hints in _HINTS.items() if not words.isdisjoint(hints)]
        yield from _unique(
            self.labelled(name, "quoted", "proper", "leading", "code"),
            self.left(*kinds),
            self.left("code") if words & _CODED else (),
            self._named(words),
            self._spare(),
            self.left("quoted", "proper", "leading", "word"),
            # Nothing is left: say something again rather than nothing.
            self._of("quoted", "proper", "leading", "word"),
        )
        sentence = " ".join(self.text.split())[:_LONGEST]
        if sentence:
            yield Spot("sentence", sentence, -1, "")
        yield from self._of("code")

    def _named(self, words: set[str]) -> tuple[Spot, ...]:
        """Return names for a naming property; for places those behind in, at, near."""
        if not words & _NAMING:
            return ()
        quoted = tuple(spot for spot in self.left("quoted") if spot.text[0].isupper())
        proper = self.left("proper")
        if words & _PLACE:
            proper = tuple(sorted(proper, key=lambda spot: not _placed(spot)))
        return quoted + proper + self.left("leading")

    def _spare(self) -> tuple[Spot, ...]:
        spot = Spot("whole", self.whole or "", -1, "")
        return (spot,) if self.whole and spot not in self._used else ()

    def _of(self, *kinds: str) -> Iterator[Spot]:
        for kind in kinds:
            yield from (spot for spot in self._spots if spot.kind == kind)


def _placed(spot: Spot) -> bool:
    return re.search(r"\b(?:in|at|near|from|to|for)\W{1,2}\Z", spot.before) is not None


def _within(spot: Spot, outer: Spot) -> bool:
    return outer.start <= spot.start < outer.start + len(outer.text) and spot.kind != "number"


def _unique(*groups: tuple[Spot, ...] | Iterator[Spot]) -> Iterator[Spot]:
    seen: set[Spot] = set()
    for group in groups:
        for spot in group:
            if spot not in seen:
                seen.add(spot)
                yield spot


def _number(text: str) -> Number:
    return float(text) if "." in text else int(text)
