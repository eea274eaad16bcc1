"""Who may call: API keys, the rule for an open API, and how often one may be wrong."""

import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import ClassVar

from flask import g, request

from langfast_wsgi.errors import CallerError, NotAuthorised
from langfast_wsgi.exposure import is_loopback, network_of
from langfast_wsgi.observe.logs import one_line

log = logging.getLogger(__name__)

FORWARDING_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Forwarded-Host", "Via")
WARN_EVERY = 60.0
WRONG_KEYS = 300
WRONG_KEYS_WITHIN = 60.0
MOST_NETWORKS = 4096


class TooManyWrongKeys(CallerError):
    """One address sent wrong keys without end. A right one is still taken from there."""

    status: ClassVar[int] = 429
    default_code: ClassVar[str] = "rate_limit_exceeded"


class WrongKeys:
    """Counts wrong keys by the network that they come from, within a minute from its first.

    Of bounded memory: where there are too many networks, those whose minute began first are
    forgotten. Each worker counts for itself.
    """

    def __init__(self) -> None:
        self._since: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<WrongKeys of {len(self._since)} networks>"

    def count(self, network: str, keys: int = 1) -> float:
        """So many more; the seconds for which no more are heard from there, 0 where they are."""
        now = time.monotonic()
        since, wrong = self._since.get(network, (float("-inf"), 0))
        if now - since >= WRONG_KEYS_WITHIN:
            since, wrong = now, 0
            self._since.pop(network, None)  # so that it stands behind those that began before
        self._since[network] = (since, wrong + keys)
        if len(self._since) > MOST_NETWORKS:
            self._since.popitem(last=False)
        return 0.0 if wrong < WRONG_KEYS else since + WRONG_KEYS_WITHIN - now


class Admission:
    """Checks the key of each request.

    Keys are kept and compared as SHA-256 (they are of high entropy, so a fast hash will do), all of
    them each time, in constant time.
    """

    def __init__(self, keys: Sequence[str], *, allow_open_access: bool) -> None:
        self._hashes = [_hash(key) for key in keys]
        self._allow_open_access = allow_open_access
        self._wrong_keys = WrongKeys()
        self._warned_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Admission {len(self._hashes)} keys>"

    @property
    def is_open(self) -> bool:
        """Whether no key is asked for."""
        return not self._hashes

    def check(self) -> None:
        """Of the request at hand, before its body is read. Raises CallerError."""
        if self.is_open:
            self._check_open()
        else:
            self._check_keys([_hash(key) for key in _offered()])

    def _check_keys(self, offered: Sequence[bytes]) -> None:
        """One right key will do, whatever stands beside it: a proxy's own, or another service's."""
        right = [key for key in offered if self._knows(key)]
        if not right:
            self._count_wrong_keys(request.environ.get("REMOTE_ADDR", ""), max(1, len(offered)))
            raise NotAuthorised(
                # In words of OpenAI's: litellm tells kinds of errors apart by them.
                "Incorrect API key provided, or none. Send it as 'Authorization: Bearer YOUR_KEY'"
                " or 'x-api-key: YOUR_KEY'."
            )
        # Its own place in the line, and the owner of what is kept: the same wherever the key is.
        g.caller = _hash(f"caller of {right[0].hex()}").hex()

    def _knows(self, offered: bytes) -> bool:
        found = [hmac.compare_digest(offered, known) for known in self._hashes]
        return any(found)

    def _count_wrong_keys(self, address: str, keys: int) -> None:
        """Each key counts, so that two in a request are no cheaper than two requests.

        A right key was let in before this: whoever shares an address with a guesser, or a proxy
        with everybody, is not held up.
        """
        if _is_near(address):
            return
        wait = self._wrong_keys.count(network_of(address), keys)
        if wait:
            raise TooManyWrongKeys("Too many wrong API keys.", retry_after=wait)

    def _check_open(self) -> None:
        forwarded = [name for name in FORWARDING_HEADERS if name in request.headers]
        if forwarded:
            self._warn(forwarded[0])
        if not self._allow_open_access and not _is_near(request.environ.get("REMOTE_ADDR", "")):
            raise NotAuthorised(
                "This API has no key and serves its own machine only. Set API_MASTER_KEY."
            )

    def _warn(self, header: str) -> None:
        now = time.monotonic()
        if now - self._warned_at > WARN_EVERY:
            self._warned_at = now
            log.error(
                "THE API IS OPEN AND REACHED THROUGH A PROXY (%s: %s): everybody whom the proxy"
                " lets through can use it. Set API_MASTER_KEY.",
                header,
                one_line(request.headers[header], 60),
            )


def _offered() -> Iterator[str]:
    """The keys that the request shows: as OpenAI's clients do, and as Anthropic's do."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield key.strip()
    own = request.headers.get("X-Api-Key")
    if own is not None:
        yield own.strip()


def _hash(key: str) -> bytes:
    # WSGI hands bytes over as latin-1 text; surrogates cannot occur there, but cost nothing.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _is_near(address: str) -> bool:
    """A caller on this machine; none at all is one on a Unix socket."""
    return not address or is_loopback(address)
