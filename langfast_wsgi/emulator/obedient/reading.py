"""What stands on the pages of a prompt: tools, schemas, instructions, the user's own words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langfast_wsgi.emulator.obedient.documents import Document, documents
from langfast_wsgi.emulator.obedient.listings import listed_name, offers_tools
from langfast_wsgi.emulator.obedient.pages import Page
from langfast_wsgi.emulator.obedient.shapes import unwrapped
from langfast_wsgi.emulator.obedient.tools import Tool, definitions

Region = tuple[int, int]

_MACHINE = "\x00"  # stands where a definition or a schema was
_SCHEMATIC = re.compile(r"schema|conform|structured|\bjson\b", re.I)
_SECTION = re.compile(r"<(tools|functions|schema|json_schema)>[^<]{0,2000}</\1>", re.I)
_MACHINERY = re.compile(
    rf"{_MACHINE}|tool_call|tool_choice|json schema|action input|</?\w|"
    r"\b(?:respond|reply|answer|write|output) (?:only |exactly )?(?:with|in|by)\b|"
    r"\byou (?:can|may|must|have|are)\b|\b(?:the following|available|these) (?:tools|functions)\b|"
    r"\bcall (?:a|an|the|one|any|exactly|at)\b|^#{1,6} ",
    re.I,
)
# {"type": "function", "function": {"name": …}} behind this chooses a tool, and defines none.
_CHOICE = re.compile(r"tool_choice\W{0,6}\Z", re.I)
_SPEAKER = re.compile(
    r"^[^\w\n]{0,6}(?:user|human|question|request|query|task|input)"
    r"(?:['’]s)?(?: (?:message|request|question|says|input|query))?\W{0,3}:\W{0,3}",
    re.I | re.M,
)
_OTHERS = re.compile(
    r"^[^\w\n]{0,4}(?:assistant|answer|thought|response|action)\W{0,3}:", re.I | re.M
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page and what stands on it.

    regions: where definitions and schemas stand.
    prose: the text without them.
    """

    role: str
    text: str
    tools: tuple[Tool, ...]
    schemas: tuple[dict[str, object], ...]
    regions: tuple[Region, ...]
    prose: str


def sheet(page: Page) -> Sheet:
    """Read one page."""
    tools: list[Tool] = []
    schemas: list[dict[str, object]] = []
    regions: list[Region] = []
    floor, offer = 0, offers_tools(page.text)
    for document in documents(page.text):
        found, schema = _read(page.text, floor, document, offered=offer < document.start)
        floor = document.end
        if found or schema is not None:
            regions.append((document.start, document.end))
        tools += found
        schemas += [schema] if schema is not None else []
    prose = _without(page.text, regions)
    if not _SCHEMATIC.search(prose):
        schemas = []
    return Sheet(page.role, page.text, tuple(tools), tuple(schemas), tuple(regions), prose)


def _read(
    text: str, floor: int, document: Document, *, offered: bool
) -> tuple[list[Tool], dict[str, object] | None]:
    """Return the tools in a document, or the schema that it is."""
    if _CHOICE.search(text[max(0, document.start - 30) : document.start]):
        return [], None
    found = list(definitions(document.value))
    schema = None if found else unwrapped(document.value)
    bare = schema is not None and schema is document.value
    name = listed_name(text, floor, document.start, offered=offered) if bare else None
    if schema is not None and name is not None:
        return [Tool(name, schema)], None
    return found, schema


def _without(text: str, regions: Sequence[Region]) -> str:
    """Return a text with a mark in the place of each region."""
    starts = [0, *(end for _, end in regions)]
    ends = [*(start for start, _ in regions), len(text)]
    return _MACHINE.join(text[start:end] for start, end in zip(starts, ends, strict=True))


def unique_tools(sheets: Sequence[Sheet]) -> tuple[Tool, ...]:
    """Return the tools that the instructions define, each name once."""
    found: dict[str, Tool] = {}
    for one in sheets:
        if one.role in ("system", "user"):
            for tool in one.tools:
                found.setdefault(tool.name, tool)
    return tuple(found.values())


def last_user(sheets: Sequence[Sheet]) -> Sheet | None:
    """Return the user's last page that has words, or else any last page that has."""
    spoken = [one for one in sheets if one.text.strip()]
    users = [one for one in spoken if one.role == "user"]
    return next(reversed(users or spoken), None)


def instructing(sheets: Sequence[Sheet]) -> Iterator[Sheet]:
    """Yield the pages whose words count as instructions: not those of a past turn."""
    last = last_user(sheets)
    for one in sheets:
        if one.role == "system" or one is last or (one.role == "user" and one.regions):
            yield one


def users_words(sheets: Sequence[Sheet]) -> str:
    """Return what the user said last."""
    last = last_user(sheets)
    if last is None:
        return ""
    spoken = [one for one in sheets if one.role != "system"]
    # A gateway may put its instructions into a message behind the user's own.
    for one in reversed(spoken):
        if one.role != "user":
            break
        words = _own_words(one)
        if words:
            return words
    return _tidy(last.prose)


def _own_words(page: Sheet) -> str:
    """Return what the user said on a page that may hold a gateway's instructions as well."""
    if not page.regions and not _MACHINERY.search(page.text):
        return page.text
    if not page.regions and not re.search(r"tool_call|\{\s*\"", page.text):
        return page.text
    speakers = list(_SPEAKER.finditer(page.prose))
    if speakers:
        rest = page.prose[speakers[-1].end() :]
        other = _OTHERS.search(rest)
        return _tidy(rest[: other.start()] if other else rest)
    paragraphs = re.split(r"\n[ \t]*\n", _SECTION.sub(_MACHINE, page.prose))
    own = [one for one in paragraphs if one.strip() and not _MACHINERY.search(one)]
    return _tidy("\n\n".join(own))


def _tidy(text: str) -> str:
    return text.replace(_MACHINE, " ").strip()
