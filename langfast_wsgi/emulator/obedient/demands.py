"""What the instructions demand: calls or none, a named tool, JSON, exact words."""

import re
from collections.abc import Collection
from dataclasses import dataclass

_FORBIDDING = re.compile(
    r"(?:\b(?:do not|don['’]t|must not|mustn['’]t|may not|cannot|can['’]t|never|should not|"
    r"not allowed to|without|refrain from)\s+(?:(?:ever|also|directly|actually)\s+)?"
    r"(?:call|calling|us(?:e|ing)|invok(?:e|ing)|mak(?:e|ing))\s+"
    r"(?:(?:any|a|the|these|those|of|your|more)\s+){0,3}(?:tools?|functions?)\b"
    r"|\bno (?:tools?|functions?)(?: calls?)? (?:are|is|may|must)\b"
    r"|tool_choice\W{1,6}none\b)",
    re.I,
)
_REQUIRING = re.compile(
    r"(?:\b(?:must|have to|has to|shall|need to|required to|always)\s+(?!not\b)(?:\w+\s+){0,3}?"
    r"(?:call|use|invoke|make)\s+(?:\w+\s+){0,5}?(?:tool|function)s?\b"
    r"|\bcall (?:exactly|at least) one\b"
    r"|\b(?:tool|function) call is (?:required|mandatory)\b"
    r"|tool_choice\W{1,6}(?:required|any)\b)",
    re.I,
)
_NAMING = re.compile(
    r"\b(?:call|calling|use|using|invoke|invoking|call to)\s+"
    r"(?:(?:exactly|only|once|the|this|tool|function|named|called|to|a|of|one)\s+){0,6}"
    r"[\"'`*<“]{0,3}([A-Za-z_][\w.:/-]{0,127})",
    re.I,
)
_CHOSEN = re.compile(r"tool_choice\W{1,6}(?:[\w\"':{},\s]{0,80}?name\W{1,6})?([A-Za-z_][\w.:/-]*)")
_INSISTING = re.compile(
    r"\b(?:must|have to|shall|required|need to|only|always|exactly|"
    r"(?:the|this) (?:tool|function))\b",
    re.I,
)
_LIMITING = re.compile(
    r"\b(?:at most|only|exactly|no more than|not more than|never more than|maximum of)\s+"
    r"(?:one|1|a single)\s+(?:\w+\s+)?(?:tool|function|call)s?\b"
    r"|\b(?:one|1|a single|single) (?:tool |function )?call (?:at a time|only|per)\b"
    r"|\bcall exactly one\b"
    r"|\b(?:not|never) (?:call|make) [^.\n]{0,40}(?:in parallel|more than one)\b"
    r"|parallel_tool_calls\W{1,6}false\b",
    re.I,
)
_CONDITION = re.compile(r"\b(?:if|when|unless|until|whenever|in case|otherwise|after|once)\b", re.I)
_EXCEPTION = re.compile(
    r"\b(?:if|unless|until|when|except|that|which|other than|more than|not|in parallel|at once|"
    r"twice|again|before)\b",
    re.I,
)
_DENIAL = re.compile(r"\b(?:not|never|don['’]t|cannot|can['’]t|mustn['’]t)\b", re.I)
_ASIDE = re.compile(r"\b(?:if|unless|when|whenever|until)\b", re.I)

_JSON = re.compile(
    r"\b(?:respond|reply|answer|return|output|give|produce|write|format|send|provide|generate|"
    r"emit|create|make|print|want|need|be|as|in|with|valid|only|a|an)\b[^.\n]{0,60}?\bJSON\b"
    r"(?!\W{0,3}schema)|\bJSON[ _](?:mode|object|only|document|format)\b",
    re.I,
)
_FENCED = re.compile(
    r"\b(?:in|inside|within|use|using|with|wrap\w*|enclosed?|put)\b[^.\n]{0,40}?"
    r"(?:code fence|fenced|code block|markdown fence|```)",
    re.I,
)
_EXACTLY = re.compile(r"\bsay exactly\s{0,3}:[ \t]*", re.I)
# A paragraph that begins so was put behind the user's words by somebody else.
_ADDED = re.compile(
    r"\n\s*\n(?=(?:respond|reply|answer|return|output|you (?:must|may|can|have)|call|use|do not|"
    r"only|important|note|tools?\b|available|the following|#|---|\[|<tools|<schema|assistant:))",
    re.I,
)
_PAIRS = {'"': '"', "'": "'", "“": "”", "«": "»", "`": "`", "‘": "’"}


@dataclass(frozen=True, slots=True)
class Choice:
    """How free the model is to call tools."""

    forbidden: bool = False
    required: bool = False
    named: str | None = None
    only_one: bool = False


def choice(prose: str, text: str, names: Collection[str]) -> Choice:
    """Read what the instructions say about calling tools of these names.

    text: the same with the JSON in it, where a tool_choice may be written out.
    """
    chosen = (match[1] for match in _CHOSEN.finditer(text) if match[1] in names)
    named = next(chosen, None) or _named(prose, names)
    required = named is not None or any(
        not _clause(prose, match, _CONDITION) and not _rest(prose, match, _ASIDE)
        for match in _REQUIRING.finditer(prose)
    )
    forbidden = not required and any(
        not _clause(prose, match, _CONDITION) and not _rest(prose, match, _EXCEPTION)
        for match in _FORBIDDING.finditer(prose)
    )
    return Choice(forbidden, required, named, _LIMITING.search(prose) is not None)


def _named(prose: str, names: Collection[str]) -> str | None:
    for match in _NAMING.finditer(prose):
        name = match[1].rstrip(".:/-")
        conditional = _clause(prose, match, _CONDITION) or _rest(prose, match, _ASIDE)
        if name not in names or conditional or _clause(prose, match, _DENIAL):
            continue
        if _INSISTING.search(match[0]) or _clause(prose, match, _INSISTING):
            return name
    return None


def _clause(prose: str, match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """Whether a pattern stands in the sentence before a match."""
    before = re.split(r"[.!?;\n]\s", prose[max(0, match.start() - 200) : match.start()])[-1]
    return pattern.search(before) is not None


def _rest(prose: str, match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """Whether a pattern stands in the sentence after a match."""
    after = re.split(r"[.!?;\n](?:\s|\Z)", prose[match.end() : match.end() + 200], maxsplit=1)[0]
    return pattern.search(after) is not None


def wants_json(prose: str) -> bool:
    """Whether the answer is to be JSON of some form."""
    return any(not _clause(prose, match, _DENIAL) for match in _JSON.finditer(prose))


def wants_fence(prose: str) -> bool:
    """Whether JSON is to be put into a code fence."""
    negative = re.compile(r"\b(?:no|not|never|without|don['’]t|avoid)\b", re.I)
    return any(
        not _clause(prose, match, negative) and not negative.search(match[0])
        for match in _FENCED.finditer(prose)
    )


def exact_words(text: str) -> str | None:
    """Return what a message asks to be said exactly, without the quotes around it."""
    match = _EXACTLY.search(text)
    if match is None:
        return None
    words = _ADDED.split(text[match.end() :], maxsplit=1)[0].strip()
    closing = _PAIRS.get(words[:1])
    if closing and not words.startswith("```"):
        end = words.find(closing, 1)
        last = words.rfind(closing)
        # Quotes within the quotes belong to the words; text behind them does not.
        if end == last and end > 0:
            return words[1:end]
        if last == len(words) - 1 and last > 0:
            return words[1:last]
    return words or None
