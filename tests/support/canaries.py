"""Planted secrets, and the search for them in all that a gateway lets out.

A gateway that a test starts is given secrets that occur nowhere else. When it ends, its whole log,
its last metrics and the errors that it answered must hold none of them, nor anything that looks
like a token of the auth service: those are made by the emulator, and nobody here knows them. The
access tokens are JWTs, and each refresh token of the emulator bears its mark.
"""

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

import requests

SECRETS = (
    "API_MASTER_KEY",
    "SUPABASE_ANON_KEY",
    "UPSTREAM_PASSWORD",
    "UPSTREAM_REFRESH_TOKEN",
    "REDIS_URL",
)
SHORTEST = 8  # a shorter word may stand in a log for many reasons
LONGEST_ERROR = 65536
_TOKENS = {
    "an access token": re.compile(r"eyJ[\w-]{16,}"),  # the head of a JWT is enough
    "a refresh token": re.compile(r"rfsh[a-z0-9]{8}"),
}
_AROUND = 60


def new(kind: str) -> str:
    """A secret that nothing else resembles."""
    return f"canary-{kind}-{secrets.token_hex(12)}"


class Canaries:
    """What must not be seen, by name."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._named: dict[str, str] = {}
        for name in SECRETS:
            for word in settings.get(name, "").split(","):
                self.plant(name, word)

    def __repr__(self) -> str:
        return f"<Canaries {len(self._named)}>"

    def plant(self, name: str, secret: str | None) -> None:
        """One more, in every form in which it might come along."""
        secret = (secret or "").strip()
        if len(secret) < SHORTEST:
            return
        plain = secret.encode()
        forms = (secret, quote(secret, safe=""), base64.b64encode(plain).decode().rstrip("="))
        self._named.update(dict.fromkeys((*forms, plain.hex()), name))

    def seen_in(self, text: str) -> Iterator[str]:
        """What is seen, and where, in words that do not repeat it."""
        for secret, name in self._named.items():
            at = text.find(secret)
            if at >= 0:
                yield f"{name} in {_around(text, at, at + len(secret), name)}"
        for name, token in _TOKENS.items():
            found = token.search(text)
            if found:
                yield f"{name} in {_around(text, *found.span(), 'token')}"


def _around(text: str, begin: int, end: int, name: str) -> str:
    before, behind = text[max(begin - _AROUND, 0) : begin], text[end : end + _AROUND]
    return repr(f"{before}<{name}>{behind}")


class Watch:
    """Looks at every answer of a client: what errors say, and the last metrics."""

    def __init__(self, canaries: Canaries) -> None:
        self.canaries = canaries
        self.metrics = ""
        self.leaks: list[str] = []

    def __call__(self, answer: requests.Response, **_: object) -> None:
        """A hook of requests. It reads nothing itself: a stream may be somebody's to read."""
        if answer.status_code >= 400:
            self.look(f"an answer {answer.status_code}", str(answer.headers))
            hear = self._error(answer.status_code)
        elif "event-stream" in answer.headers.get("content-type", ""):
            hear = self._events()
        elif answer.url.endswith("/metrics"):
            self.metrics = ""
            hear = self._series
        else:
            return
        read = answer.iter_content

        def overheard(*arguments: object, **options: object) -> Iterator[str | bytes]:
            for piece in read(*arguments, **options):  # type: ignore[arg-type]
                hear(piece if isinstance(piece, str) else piece.decode("utf-8", "replace"))
                yield piece

        answer.iter_content = overheard  # type: ignore[method-assign,assignment]

    def look(self, what: str, text: str) -> None:
        """Remember what is seen there."""
        self.leaks += [f"{what} shows {seen}" for seen in self.canaries.seen_in(text)]

    def _series(self, piece: str) -> None:
        self.metrics += piece

    def _error(self, status: int) -> Callable[[str], None]:
        heard = ""

        def hear(piece: str) -> None:
            nonlocal heard
            heard = (heard + piece)[:LONGEST_ERROR]
            self.look(f"an answer {status}", heard)

        return hear

    def _events(self) -> Callable[[str], None]:
        """Of a stream the errors alone: an answer may repeat what its caller sent."""
        begun = ""

        def hear(piece: str) -> None:
            nonlocal begun
            *lines, begun = (begun + piece).split("\n")
            for line in lines:
                if line.startswith(('data: {"error"', 'data: {"type":"error"')):
                    self.look("an event", line)

        return hear


def anon_key_of_embedded(master: int) -> str | None:
    """The key of the emulator that a gateway started by itself; None where it cannot be asked."""
    import psutil  # by few, and late

    try:
        for child in psutil.Process(master).children():
            if "langfast_wsgi.emulator" not in child.cmdline():
                continue
            for connection in child.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN:
                    url = f"http://127.0.0.1:{connection.laddr.port}/emulator"
                    return str(requests.get(url, timeout=2).json()["anon_key"])
    except (psutil.Error, requests.RequestException, OSError):
        pass
    return None
