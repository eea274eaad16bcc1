"""The server under examination: how it is asked, and what is known about it.

Every request is bounded in time and in bytes. What several checks look at is asked for once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from langfast_wsgi.cli import address, unreached
from langfast_wsgi.cli.completion import session
from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import Answer, dig
from langfast_wsgi.cli.conformance.transcript import Transcript
from langfast_wsgi.cli.steps import NotDone

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 25.0
MOST_BYTES = 8 * 1024 * 1024
_MOST_WAIT = 10  # seconds that we wait for a server's own rate limit
_REST = 5.0  # seconds that an only account may rest for a limit
DEFAULT_MODEL = "gpt-4o-mini"
CHAT = "/chat/completions"
#: Models of the emulator, which no other server is likely to have all of.
EMULATED = frozenset({"auto", "slow", "error-midstream"})

Messages = Sequence[Mapping[str, Any]]


class Unanswered(Exception):
    """No answer, or none to its end in time; the message says so in a sentence."""


class Server:
    """One base URL, the key for it and the model to ask there."""

    def __init__(self, api: str, key: str | None, model: str | None) -> None:
        self.api = api
        self.key = key
        self._given_model = model
        self._kept: dict[str, Any] = {}
        self._own = False

    def __repr__(self) -> str:
        return f"<Server {address.shown(self.api)}>"

    # --- asking

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        keyed: bool = True,
        seconds: float = ANSWER_SECONDS,
        until: Callable[[bytes], bool] | None = None,
    ) -> Answer:
        """The answer to a request, of the API or, by a whole address, elsewhere on the server.

        A body of bytes goes as it is. ``until`` is asked with each piece of the body whether that
        is enough: the connection is closed then. Raises Unanswered.
        """
        url = path if "://" in path else self.api + path
        data = body if body is None or isinstance(body, bytes) else wording.encoded(body)
        begun = time.monotonic()
        sent = {"Accept-Encoding": "identity", **(headers or {})}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            with (
                session(self.api, self.key if keyed else None) as http,
                http.request(
                    method,
                    url,
                    data=data,
                    headers=sent,
                    timeout=(CONNECT_SECONDS, seconds),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                answer = _read(response, begun, seconds, until)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise Unanswered(_sentence(error)) from None
        self._own = self._own or bool(wording.named(answer.headers, "x-langfast"))
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        """A GET."""
        return self.send("GET", path, **options)

    def chat(self, body: object, **options: Any) -> Answer:
        """A body to the chat route; as it is, but for the model where it names none.

        Raises NotDone where the server limits the rate of our requests: that is its right. The
        emulator's limits are its answers.
        """
        if isinstance(body, Mapping) and "model" not in body:
            body = {"model": self.model, **body}
        answer = self.send("POST", CHAT, body, **options)
        if answer.status != 429 or self._kept.get("steerable"):
            return answer
        wait = answer.headers.get("Retry-After", "1")
        if wait.isdecimal() and int(wait) <= _MOST_WAIT:
            time.sleep(int(wait))
            answer = self.send("POST", CHAT, body, **options)
        if answer.status == 429:
            raise NotDone("the server limits how much may be asked of it (429)")
        return answer

    def completion(self, messages: Messages, **fields: Any) -> Answer:
        """A chat completion, unstreamed unless the fields say so."""
        return self.chat({"messages": messages, **fields})

    def completion_as(self, authorization: str | None) -> Answer:
        """A plain completion with another Authorization header, or without one."""
        headers = {"Authorization": authorization} if authorization else {}
        body = {"messages": wording.GREETING}
        return self.chat(body, headers=headers, keyed=False)

    def stream(self, messages: Messages, **fields: Any) -> Transcript:
        """A streamed one."""
        return Transcript(self.completion(messages, stream=True, **fields))

    def saying(self, text: str, **reply: Any) -> Messages:
        """Messages that make the model say a text; the emulator is told how, and how to fail."""
        if self.steerable:
            return [wording.user(wording.steering(text, **reply))]
        return [wording.user(wording.repeat(text))]

    def refused_start(self, fault: str, **reply: Any) -> Answer:
        """What comes of a start that the emulator refuses; then wait until all is well again."""
        answer = self.completion(self.saying("x", fault=fault, **reply))
        until = time.monotonic() + _REST
        while self.completion(wording.GREETING).status != 200 and time.monotonic() < until:
            time.sleep(0.1)
        return answer

    # --- what is asked for once

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        """Also that there was no answer: nobody waits for it twice."""
        if name not in self._kept:
            try:
                self._kept[name] = make()
            except Unanswered as gone:
                self._kept[name] = gone
        found = self._kept[name]
        if isinstance(found, Unanswered):
            raise Unanswered(str(found))
        return found

    def plain(self) -> Answer:
        """A plain answer."""
        found: Answer = self._once("plain", lambda: self.completion(wording.GREETING))
        return found

    def streamed(self) -> Transcript:
        """A plain stream."""
        found: Transcript = self._once("stream", lambda: self.stream(self.saying(wording.SENTENCE)))
        return found

    def counted(self) -> Transcript:
        """A stream with its usage."""
        options = {"include_usage": True}
        found: Transcript = self._once(
            "counted",
            lambda: self.stream(self.saying(wording.SENTENCE), stream_options=options),
        )
        return found

    def models(self) -> Answer:
        """The list of models."""
        found: Answer = self._once("models", lambda: self.get("/models"))
        return found

    def malformed(self) -> Answer:
        """What it says to a body that is no JSON."""
        found: Answer = self._once("malformed", lambda: self.chat(b'{"messages": ['))
        return found

    def nowhere(self) -> Answer:
        """What it says at a path that no API has."""
        found: Answer = self._once("nowhere", lambda: self.get("/no/such/path"))
        return found

    # --- what is known

    @property
    def model_ids(self) -> list[str]:
        """The models that it lists; none where it has no list."""
        try:
            listed = dig(self.models().json, "data")
        except Unanswered:
            return []
        found = [dig(one, "id") for one in listed] if isinstance(listed, list) else []
        return [one for one in found if isinstance(one, str)]

    @property
    def model(self) -> str:
        """The model to ask: the one that was named, or one that it lists."""
        return str(self._once("model", self._chosen_model))

    def _chosen_model(self) -> str:
        listed = self.model_ids
        if self._given_model or not listed or DEFAULT_MODEL in listed:
            return self._given_model or DEFAULT_MODEL
        return listed[0]

    @property
    def steerable(self) -> bool:
        """Whether the emulator is behind it: it obeys to the letter, and fails if it is told to."""
        return bool(self._once("steerable", self._looks_emulated))

    def _looks_emulated(self) -> bool:
        marked = dig(self.plain().json, "system_fingerprint") == "emulator"
        return marked or set(self.model_ids) >= EMULATED

    @property
    def obedient(self) -> str:
        """The model that calls tools and fills schemas."""
        return "auto" if self.steerable else self.model

    @property
    def own(self) -> bool:
        """Whether it is a gateway of this kind, which has to keep to its own, stricter rules."""
        return self._own or self.steerable or bool(self._once("own", self._says_so))

    def _says_so(self) -> bool:
        try:
            return isinstance(dig(self.get(f"/models/{self.model}").json, "langfast"), dict)
        except Unanswered:
            return False

    @property
    def root(self) -> str:
        """The address of what is not part of the API."""
        return address.root(self.api)


def _read(
    response: requests.Response,
    begun: float,
    seconds: float,
    until: Callable[[bytes], bool] | None,
) -> Answer:
    pieces: list[tuple[float, bytes]] = []
    size, cut = 0, False
    while True:
        try:
            piece: bytes = response.raw.read1(65536)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            if unreached.cause(error) is unreached.Cause.TIMEOUT:
                raise Unanswered(f"nothing came for {seconds:g} s in mid-answer") from None
            cut = True
            break
        if not piece:
            break
        now = time.monotonic() - begun
        pieces.append((now, piece))
        size += len(piece)
        if until is not None and until(piece):
            break
        if size > MOST_BYTES:
            raise Unanswered(f"the answer is longer than {MOST_BYTES} bytes")
        if now > seconds:
            raise Unanswered(f"the answer did not end within {seconds:g} s")
    spent = time.monotonic() - begun
    return Answer(response.status_code, response.headers, tuple(pieces), spent, cut)


def _sentence(error: Exception) -> str:
    return f"no answer: {unreached.cause(error).value}"
