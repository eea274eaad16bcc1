"""One JSON document in a model's text, mended as it comes.

Theory: a pushdown automaton that reads text piece by piece and writes JSON. What stands before the
document (words, a code fence) and behind it is dropped. What it writes is at any moment the
beginning of a valid document, and never changes any more; so it can be streamed. A document that
was valid comes out as it was. Mended is what models do most and what can only mean one thing: raw
line breaks in strings, escapes that JSON does not know, single quotes, keys without quotes, True,
False and None as in Python, a comma before a closing bracket (so a comma waits for what follows
it), and closing brackets that are missing at the end. Anything else breaks it for good.
"""

import re
from collections.abc import Callable
from enum import Enum

DEEPEST = 100
LONGEST_WORD = 400

_SPACE = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[\w.+$-]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$-]*", re.ASCII)
_PLAIN = {
    '"': re.compile(r'[^"\\\x00-\x1f]+'),
    "'": re.compile(r"[^'\"\\\x00-\x1f]+"),
}
_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SOME_UNICODE = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_LITERALS = {
    "true": "true",
    "false": "false",
    "null": "null",
    "True": "true",
    "False": "false",
    "None": "null",
}
_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LONE = "\\ufffd"
# A bracket in the words before a document opens none. What may yet open one is bounded, since it is
# looked at anew with every piece.
_BEGINS = {
    "{": re.compile(r"\{(?=\s{0,200}(?:[\"'}]|[A-Za-z_$][\w$-]{0,63}\s{0,9}:))"),
    "[": re.compile(r"\[(?=\s{0,200}[\"'\[\]{0-9tfnTFN-])"),
}
_MAY_BEGIN = {
    "{": re.compile(r"\{\s{0,200}(?:[A-Za-z_$][\w$-]{0,63}\s{0,9})?"),
    "[": re.compile(r"\[\s{0,200}"),
}


class State(Enum):
    """What is expected next."""

    DOCUMENT = "the document's first bracket"
    KEY = "a key, or the end of an object"
    COLON = "a colon"
    VALUE = "a value"
    ITEM = "a value, or the end of an array"
    NEXT = "a comma, or the end of an object or array"
    STRING = "the rest of a string"
    WHOLE = "nothing"
    BROKEN = "nothing that could help"


class Document:
    """The document and how far it has come. ``brackets`` are those that may open it."""

    def __init__(self, brackets: str = "{") -> None:
        self._brackets = brackets
        self._text = ""
        self._at = 0  # what stands before is settled
        self._out: list[str] = []
        self._open: list[str] = []  # the closing brackets that are due
        self._comma = ""  # one that waits, and the space behind it
        self._quote = ""
        self._in_key = False
        self._ended = False
        self.state = State.DOCUMENT
        #: Whether its first bracket was found.
        self.begun = False
        #: Characters of the text up to the document's end.
        self.length = 0
        self._steps: dict[State, Callable[[], bool]] = {
            State.DOCUMENT: self._document,
            State.KEY: self._key,
            State.COLON: self._colon,
            State.VALUE: self._value,
            State.ITEM: self._value,
            State.NEXT: self._next,
            State.STRING: self._string,
        }

    def feed(self, text: str) -> str:
        """Read on; return what is new of the document."""
        self._text += text
        while (step := self._steps.get(self.state)) is not None and step():
            pass
        self.length += self._at
        self._text, self._at = self._text[self._at :], 0
        new, self._out = "".join(self._out), []
        return new

    def finish(self) -> str:
        """The text has ended: what closes the document, if closing it is all that it lacks."""
        self._ended = True
        new = self.feed("")
        lacks_brackets = self.state is State.NEXT or (
            self._comma != "" and self.state in (State.KEY, State.ITEM)
        )
        if lacks_brackets:
            new += "".join(reversed(self._open))
            self.state = State.WHOLE
        elif self.state is not State.WHOLE:
            self.state = State.BROKEN
        return new

    # --- Steps. Each returns whether it got on; if not, it needs more text, or all is over.

    def _document(self) -> bool:
        found = [at for one in self._brackets if (at := self._text.find(one, self._at)) >= 0]
        if not found:
            self._at = len(self._text)
            return False
        self._at = min(found)
        bracket = self._text[self._at]
        if _BEGINS[bracket].match(self._text, self._at):
            self.begun = True
            return self._bracket()
        if _MAY_BEGIN[bracket].fullmatch(self._text, self._at):
            return False
        self._at += 1
        return True

    def _key(self) -> bool:
        char = self._significant()
        if char == "}":
            return self._close()
        if char in ('"', "'"):
            return self._begin_string(in_key=True)
        word = self._word() if char else ""
        if not word:
            return self._stuck(char)
        if not _NAME.fullmatch(word):
            return self._break()
        self.state = State.COLON
        return self._write(f'"{word}"', len(word))

    def _colon(self) -> bool:
        char = self._significant()
        if char != ":":
            return self._stuck(char)
        self.state = State.VALUE
        return self._write(":", 1)

    def _value(self) -> bool:
        char = self._significant()
        if char in ('"', "'"):
            return self._begin_string(in_key=False)
        if char in ("{", "["):
            return self._bracket()
        if char == "]" and self.state is State.ITEM:
            return self._close()
        word = self._word() if char else ""
        if not word:
            return self._stuck(char)
        value = word if _NUMBER.fullmatch(word) else _LITERALS.get(word)
        if value is None:
            return self._break()
        self.state = State.NEXT
        return self._write(value, len(word))

    def _next(self) -> bool:
        char = self._significant()
        if char == ",":
            self._comma = ","
            self._at += 1
            self.state = State.KEY if self._open[-1] == "}" else State.ITEM
            return True
        if char == self._open[-1]:
            return self._close()
        return self._stuck(char)

    def _string(self) -> bool:
        plain = _PLAIN[self._quote].match(self._text, self._at)
        if plain is not None:
            return self._write(plain[0], len(plain[0]))
        char = self._text[self._at : self._at + 1]
        if not char:
            return False
        if char == self._quote:
            self.state = State.COLON if self._in_key else State.NEXT
            return self._write('"', 1)
        if char == "\\":
            return self._escape()
        if char == '"':
            return self._write('\\"', 1)
        return self._write(_ESCAPED.get(char, f"\\u{ord(char):04x}"), 1)

    def _escape(self) -> bool:
        char = self._text[self._at + 1 : self._at + 2]
        if char and char in '"\\/bfnrt':
            return self._write(f"\\{char}", 2)
        if char == "'":
            return self._write("'", 2)
        if _SOME_UNICODE.fullmatch(self._text, self._at):
            return False
        if char == "u" and (code := _UNICODE.match(self._text, self._at)) is not None:
            return self._unicode(code)
        return self._write("\\\\", 1)

    def _unicode(self, code: re.Match[str]) -> bool:
        """A half of a character alone would be no valid text."""
        if not 0xD800 <= int(code[1], 16) < 0xE000:
            return self._write(code[0], 6)
        if int(code[1], 16) < 0xDC00:
            other = _UNICODE.match(self._text, code.end())
            if other is not None and 0xDC00 <= int(other[1], 16) < 0xE000:
                return self._write(code[0] + other[0], 12)
            if other is None and _SOME_UNICODE.fullmatch(self._text, code.end()):
                return False
            if other is None and code.end() == len(self._text):
                return False
        return self._write(_LONE, 6)

    # --- What steps are made of.

    def _significant(self) -> str:
        """Pass over space; the character behind it."""
        space = _SPACE.match(self._text, self._at)
        assert space is not None  # noqa: S101 - it matches nothing as well
        if space[0]:
            if self._comma:
                self._comma += space[0]
            else:
                self._out.append(space[0])
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _word(self) -> str:
        """A word here, if it is sure to be whole."""
        word = _WORD.match(self._text, self._at)
        assert word is not None  # noqa: S101 - it matches nothing as well
        if len(word[0]) > LONGEST_WORD:
            self._break()
            return ""
        return word[0] if word.end() < len(self._text) or self._ended else ""

    def _write(self, text: str, read: int) -> bool:
        self._out += (self._comma, text)
        self._comma = ""
        self._at += read
        return True

    def _begin_string(self, *, in_key: bool) -> bool:
        self._quote, self._in_key = self._text[self._at], in_key
        self.state = State.STRING
        return self._write('"', 1)

    def _bracket(self) -> bool:
        bracket = self._text[self._at]
        if len(self._open) == DEEPEST:
            return self._break()
        self._open.append("}" if bracket == "{" else "]")
        self.state = State.KEY if bracket == "{" else State.ITEM
        return self._write(bracket, 1)

    def _close(self) -> bool:
        self._comma = self._comma[1:]
        self._write(self._open.pop(), 1)
        self.state = State.NEXT if self._open else State.WHOLE
        return True

    def _stuck(self, char: str) -> bool:
        """Wait for more where there is nothing, or the beginning of a word, else give up."""
        if not char:
            return False
        waits = not self._ended and _WORD.fullmatch(self._text, self._at) is not None
        return False if waits else self._break()

    def _break(self) -> bool:
        self.state = State.BROKEN
        return False
