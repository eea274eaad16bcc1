"""What one check sees and demands. A demand that does not hold ends the check, unless it goes
beyond OpenAI's own contract: to a server that is not ours such a breach is a remark.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import Answer
from langfast_wsgi.cli.conformance.server import Messages, Server
from langfast_wsgi.cli.conformance.transcript import Transcript
from langfast_wsgi.cli.steps import NotDone


class Tag(Enum):
    """Where a rule comes from."""

    SPEC = "S"
    SDK = "P"
    DOCS = "D"
    MEASURED = "M"
    GATEWAY = "G"


@dataclass(frozen=True, slots=True)
class Breach:
    """What was to be, and what was instead."""

    expected: str
    seen: str
    unanswered: bool = False


class Broken(Exception):
    """A rule of OpenAI's own does not hold."""

    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.expected)
        self.breach = breach


class Look:
    """One check at work on one server."""

    def __init__(self, server: Server, tags: tuple[Tag, ...], *, strict: bool) -> None:
        self.server = server
        self._strict = strict
        self._tag = next((tag for tag in tags if tag is not Tag.GATEWAY), Tag.GATEWAY)
        self.remarks: list[Breach] = []
        #: How many demands were made: a check that made none has not looked.
        self.demands = 0
        #: Parts of the check that could not be looked at, with the reason.
        self.notes: list[str] = []

    def __repr__(self) -> str:
        return f"<Look at {self.server}>"

    def must(
        self, holds: object, expected: str, seen: object = "", *, tag: Tag | None = None
    ) -> bool:
        """Demand something, in words that go on from "it should have" or "be"."""
        self.demands += 1
        if not holds:
            self.breach(expected, seen, tag=tag)
        return bool(holds)

    def breach(self, expected: str, seen: object, *, tag: Tag | None = None) -> None:
        """A demand that does not hold. Raises Broken where it counts."""
        key = self.server.key
        self._count(Breach(wording.shown(expected, key), wording.shown(seen, key)), tag)

    def missed(self, why: str) -> None:
        """No answer came. Raises Broken where it counts."""
        self._count(Breach("an answer", why, unanswered=True), None)

    def _count(self, found: Breach, tag: Tag | None) -> None:
        if (tag or self._tag) is not Tag.GATEWAY or self._strict or self.server.own:
            raise Broken(found)
        self.remarks.append(found)

    def note(self, text: str) -> None:
        """Something that could not be looked at."""
        self.notes.append(text)

    def needs_emulator(self, what: str) -> None:
        """Raises NotDone on a server that cannot be made to behave so."""
        if not self.server.steerable:
            raise NotDone(f"only a server with the emulator behind it can be made to {what}")

    # --- answers that have to be there before anything can be demanded of them

    def completed(self, messages: Messages, *, optional: str = "", **fields: Any) -> Answer:
        """An answer of 200 in JSON. ``optional``: what the server may honestly refuse."""
        answer = self.server.completion(messages, **fields)
        self._not_refused(answer, optional)
        self.must(
            answer.status == 200 and isinstance(answer.json, dict),
            "an answer of 200 in JSON",
            answer.described,
        )
        return answer

    def streamed(self, messages: Messages, *, optional: str = "", **fields: Any) -> Transcript:
        """A stream."""
        found = self.server.stream(messages, **fields)
        self._not_refused(found.answer, optional)
        return self.opened(found)

    def opened(self, found: Transcript) -> Transcript:
        """A stream that was opened as one, with chunks in it."""
        answer = found.answer
        self.must(answer.status == 200 and found.datas, "a stream with events", answer.described)
        return found

    def _not_refused(self, answer: Answer, optional: str) -> None:
        if optional and 400 <= answer.status < 500 and isinstance(answer.error, dict):
            said = wording.shown(answer.error.get("message", ""), self.server.key)
            raise NotDone(f"the server refuses {optional}: {said}")

    def refused(
        self,
        body: object,
        *,
        status: int = 400,
        code: str | None = "",
        param: str = "",
        tag: Tag | None = None,
    ) -> Answer:
        """A request that has to be refused with this status; with this code and param, if given."""
        answer = self.server.chat(body)
        said = wording.described(body)
        self.must(answer.status == status, f"{status} for {said}", answer.described, tag=tag)
        error = answer.error if isinstance(answer.error, dict) else {}
        if code != "":
            self.must(error.get("code", "") == code, f"code {code} for {said}", error, tag=tag)
        if param:
            self.must(error.get("param") == param, f"param {param} for {said}", error, tag=tag)
        return answer
