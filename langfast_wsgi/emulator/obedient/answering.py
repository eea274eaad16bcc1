"""The answer of an obedient model: results first, then calls, JSON, exact words, and talk."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from langfast_wsgi.emulator.obedient import demands
from langfast_wsgi.emulator.obedient.calls import calls
from langfast_wsgi.emulator.obedient.documents import whole
from langfast_wsgi.emulator.obedient.examples import envelope
from langfast_wsgi.emulator.obedient.filling import filled
from langfast_wsgi.emulator.obedient.keys import keyed_schema, quoted_keys
from langfast_wsgi.emulator.obedient.pages import pages
from langfast_wsgi.emulator.obedient.reading import (
    Sheet,
    instructing,
    last_user,
    sheet,
    unique_tools,
    users_words,
)
from langfast_wsgi.emulator.obedient.results import results
from langfast_wsgi.emulator.obedient.speaking import quoted, told
from langfast_wsgi.emulator.obedient.supply import Supply
from langfast_wsgi.emulator.obedient.tools import Tool


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A prompt that has been read.

    words: what the user said last. text, prose: the instructions, with and without schemas.
    exact: what the user asked to be said exactly.
    """

    sheets: tuple[Sheet, ...]
    tools: tuple[Tool, ...]
    schema: dict[str, object] | None
    words: str
    prose: str
    text: str
    exact: str | None
    results: tuple[str, ...]


def answer(messages: list[dict[str, object]]) -> str:
    """Return what an obedient model says to OpenAI's chat messages; it never raises."""
    try:
        text = _answer(_read(messages))
    except RecursionError:
        # Data nested nearly as deep as it can be decoded; nobody asks that in earnest.
        text = quoted("")
    # Escapes in JSON may stand for halves of characters, which no answer can carry.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read(messages: object) -> _Prompt:
    read = pages(messages)
    sheets = tuple(sheet(page) for page in read)
    told_to = tuple(instructing(sheets))
    schemas = [one for page in told_to for one in page.schemas]
    last = last_user(sheets)
    return _Prompt(
        sheets=sheets,
        tools=unique_tools(sheets),
        schema=schemas[-1] if schemas else None,
        words=users_words(sheets),
        prose="\n\n".join(page.prose for page in told_to),
        text="\n\n".join(page.text for page in told_to),
        exact=demands.exact_words(last.text) if last else None,
        results=results(read),
    )


def _answer(prompt: _Prompt) -> str:
    choice = demands.choice(prompt.prose, prompt.text, {tool.name for tool in prompt.tools})
    exact = prompt.exact
    if prompt.results:
        return _after_results(prompt)
    callable_ = bool(prompt.tools) and not choice.forbidden
    if exact is not None and prompt.schema is None and not (callable_ and choice.required):
        return exact
    if callable_:
        made = calls(prompt.tools, choice, prompt.words, exact)
        return envelope(_instructions(prompt.sheets)).write(made)
    supply = Supply(prompt.words, preferred=exact)
    if prompt.schema is not None:
        return _json(filled(prompt.schema, supply), prompt)
    texts = _without_tools(prompt.sheets)
    if demands.wants_json("\n\n".join(texts)):
        return _keyed(texts, prompt)
    return quoted(prompt.words)


def _after_results(prompt: _Prompt) -> str:
    texts = _without_tools(prompt.sheets)
    schema = prompt.schema
    if schema is None and demands.wants_json("\n\n".join(texts)):
        schema = keyed_schema(texts, Supply("\n".join(prompt.results)))
    if schema is None:
        return told(prompt.results)
    text = "\n".join(_readable(result) for result in prompt.results)
    single = prompt.results[0] if len(prompt.results) == 1 else None
    plain = single if single is not None and single == text else None
    return _json(filled(schema, Supply(text, whole=plain)), prompt)


def _readable(result: str) -> str:
    """Return a JSON result as lines of "name: value", so that its names tell its values."""
    value = whole(result)
    return "\n".join(_lines("", value)) if isinstance(value, dict | list) else result


def _lines(name: str, value: object, depth: int = 0) -> Sequence[str]:
    if depth > 20:
        return []
    if isinstance(value, dict):
        return [line for key in value for line in _lines(str(key), value[key], depth + 1)]
    if isinstance(value, list):
        return [line for one in value for line in _lines(name, one, depth + 1)]
    return [f"{name}: {json.dumps(value, ensure_ascii=False)}"]


def _instructions(sheets: Sequence[Sheet]) -> list[str]:
    return [one.prose for one in sheets if one.role in ("system", "user")]


def _without_tools(sheets: Sequence[Sheet]) -> list[str]:
    """Return the instructions, the user's last, but none that speak of tools' JSON."""
    return [page.prose for page in instructing(sheets) if not page.tools]


def _keyed(texts: Sequence[str], prompt: _Prompt) -> str:
    # The keys are wanted as keys; they are no values.
    supply = Supply(prompt.words, skipped=quoted_keys(texts))
    return _json(filled(keyed_schema(texts, supply), supply), prompt)


def _json(value: object, prompt: _Prompt) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return f"```json\n{text}\n```" if demands.wants_fence(prompt.prose) else text
