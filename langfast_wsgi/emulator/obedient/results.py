"""Results of tools, as messages of their own or rewritten into a user's text."""

import re
from collections.abc import Iterator, Sequence

from langfast_wsgi.emulator.obedient.documents import documents, whole
from langfast_wsgi.emulator.obedient.pages import Page
from langfast_wsgi.emulator.obedient.vocabulary import listed

_OPENING = re.compile(
    r"<((?:tool|function)[_-]?(?:call[_-]?)?(?:results?|responses?|outputs?|observation|answers?)"
    r"|results?|observation)(?:\s[^<>\n]{0,120})?>",
    re.I,
)
_NOUN = r"(?:results?|responses?|outputs?|answers?)"
_WHOSE = r"(?:[ ]?(?:for|of|from|to|by|id|call|[#(\[])[^:\n\]{}]{0,80})?[ ]?(?:\]:?|:)"
_LABEL = re.compile(
    r"^[^\w\n<]{0,12}(?:"
    rf"(?:the[ ])?(?:tool|function)[\s_-]?(?:call[\s_-]?)?{_NOUN}\b{_WHOSE}"
    rf"|(?:the[ ])?(?:tool|function)[ ][^\s:]{{1,80}}[ ]{_NOUN}:"
    rf"|{_NOUN}[ ](?:of|from|for)\b[^:\n\]{{}}]{{0,80}}(?:\]:?|:)"
    r"|observation:"
    r"|(?:the[ ])?(?:tool|function)[ ][^\s:]{1,80}[ ](?:returned|answered|responded|said|says)"
    r"[^:\n{}]{0,40}:"
    r"|[\w.-]{1,80}(?:\([^\n]{0,200}\))?[ ](?:returned|responded)(?:[ ]with)?:"
    r")\**[ \t]*",
    re.I | re.M,
)
_PLACEHOLDER = re.compile(
    r"\W{0,5}(?:\.\.\.|…|(?:the )?(?:result|output|response)(?: of [\w ]{1,40})?)?\W{0,5}\Z", re.I
)
_USER = re.compile(r"^[^\w\n]{0,4}(?:user|human)\W{0,3}:", re.I | re.M)
_ENDS = ("</tool_response>", "</tool_result>", "</tool_output>")
_CARRYING = ("content", "result", "output", "response")
_ADDRESSING = listed(
    "name tool tool_name tool_call_id call_id id role type function status is_error"
)


def results(pages: Sequence[Page]) -> tuple[str, ...]:
    """Return the results with which a conversation ends, without instructions behind them."""
    spoken = [page for page in pages if page.role != "system"]
    found: list[str] = []
    for page in reversed(spoken):
        here = _on_page(page)
        if not here:
            break
        found = here + found
    return tuple(found)


def _on_page(page: Page) -> list[str]:
    if page.role == "tool":
        return [_carried(page.text.strip())]
    return list(_rewritten(page.text)) if page.role == "user" else []


def _rewritten(text: str) -> Iterator[str]:
    if _USER.search(text, max(map(text.rfind, _ENDS)) + 1) and any(end in text for end in _ENDS):
        return  # a whole conversation in one text, and the user has spoken since
    # An empty line between tags is a result without words; nothing at all a mention.
    blocks = [one.strip() for one in _blocks(text) if "\n" in one or not _PLACEHOLDER.match(one)]
    blocks = [block for block in blocks if not block or not _PLACEHOLDER.match(block)]
    if blocks:
        yield from map(_carried, blocks)
        return
    labelled = [one for one in _labelled(text) if not _PLACEHOLDER.match(one.partition("\n")[0])]
    if labelled:
        yield from map(_carried, labelled)
        return
    yield from _documented(text)


def _blocks(text: str) -> Iterator[str]:
    """Yield what stands in tags, <tool_response> and its kind; tags are read only once."""
    position = 0
    while opening := _OPENING.search(text, position):
        end = text.find(f"</{opening[1]}>", opening.end())
        if end < 0:
            # Unclosed tags after this one need not be looked at: they close no better.
            return
        yield text[opening.end() : end]
        position = end


def _labelled(text: str) -> Iterator[str]:
    labels = list(_LABEL.finditer(text))
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=False):
        yield text[label.end() : end].strip()


def _documented(text: str) -> Iterator[str]:
    """Yield results given as JSON: {"role": "tool", "content": …}."""
    for document in documents(text):
        value = document.value
        if isinstance(value, dict) and (value.get("role") == "tool" or "tool_call_id" in value):
            yield _carried(text[document.start : document.end])


def _carried(text: str) -> str:
    """Return the result out of an object that only says whose it is."""
    value = whole(text) if text.startswith("{") else None
    if not isinstance(value, dict):
        return text
    carriers = [key for key in _CARRYING if key in value]
    others = value.keys() - set(carriers)
    if len(carriers) == 1 and others and others <= _ADDRESSING:
        carried = value[carriers[0]]
        # Anything but a string stands in the text as it was given; that is verbatim too.
        return carried if isinstance(carried, str) else text
    return text
