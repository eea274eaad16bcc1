"""A plain client of the emulator for its own tests: accounts and starts by requests, one socket."""

import queue
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import socketio

from tests.support.emulator import EmulatorProcess

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in, and with which tokens."""

    user_id: str
    access_token: str
    refresh_token: str


class Client:
    """Talks to one emulator as a gateway would."""

    def __init__(self, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["apikey"] = emulator.anon_key

    def post(
        self, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST JSON to the emulator."""
        return self.http.post(
            self.emulator.url + path, json=body, headers=headers, timeout=_PATIENCE
        )

    def sign_up(self) -> Account:
        """A new anonymous account."""
        return _account(self.post("/auth/v1/signup", {}).json())

    def refresh(self, account: Account) -> Account:
        """The account with new tokens."""
        body = {"refresh_token": account.refresh_token}
        return _account(self.post("/auth/v1/token?grant_type=refresh_token", body).json())

    def start(
        self,
        account: Account,
        content: object = "Hello there, how are you?",
        model: str = "echo",
        messages: Sequence[Mapping[str, Any]] | None = None,
        **changed: object,
    ) -> requests.Response:
        """Start a run with one user message, or with the given messages."""
        talk = [{"role": "user", "content": content}] if messages is None else messages
        body = {
            "run_id": str(uuid.uuid4()),
            "prompt_id": self.emulator.prompt_id,
            "prompt_meta": {"model": model, "messages": talk, "stream": True},
            "test_cases": [],
            "created_by": account.user_id,
            **changed,
        }
        bearer = {"Authorization": f"Bearer {account.access_token}"}
        return self.post("/functions/v1/initiate-prompt-run", body, bearer)


class Listener:
    """One socket and what came over it, in order."""

    def __init__(self, transports: Sequence[str]) -> None:
        self.received: queue.Queue[tuple[str, tuple[Any, ...]]] = queue.Queue()
        self.disconnects: queue.Queue[str] = queue.Queue()
        self.refusals: queue.Queue[Any] = queue.Queue()
        self.transports = transports
        self.sio = socketio.Client(reconnection=False, handle_sigint=False)
        self.sio.on("*", lambda name, *arguments: self.received.put((name, arguments)))
        self.sio.on("connect_error", self.refusals.put)
        self.sio.on("disconnect", self.disconnects.put)

    def connect(self, url: str, token: object) -> None:
        """Connect as the user of a token."""
        self.sio.connect(
            url, auth={"token": token}, transports=list(self.transports), wait_timeout=_PATIENCE
        )

    def next(self) -> tuple[str, tuple[Any, ...]]:
        """The next event: name and arguments."""
        return self.received.get(timeout=_PATIENCE)

    def chunk(self) -> dict[str, Any]:
        """The argument of the next event."""
        return dict(self.next()[1][0])

    def run(self) -> list[dict[str, Any]]:
        """Chunks up to and with the first that ends a run."""
        chunks = [self.chunk()]
        while chunks[-1]["status"] in ("in_progress", "thinking"):
            chunks.append(self.chunk())
        return chunks


@contextmanager
def listening(
    emulator: EmulatorProcess, account: Account, transports: Sequence[str] = ("websocket",)
) -> Iterator[Listener]:
    """A connected socket of an account."""
    listener = Listener(transports)
    listener.connect(emulator.url, account.access_token)
    try:
        yield listener
    finally:
        listener.sio.disconnect()


@contextmanager
def client_of(emulator: EmulatorProcess) -> Iterator[Client]:
    """A client whose connections are closed in the end."""
    client = Client(emulator)
    try:
        yield client
    finally:
        client.http.close()


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true before our patience ends."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _account(grant: Mapping[str, Any]) -> Account:
    return Account(grant["user"]["id"], grant["access_token"], grant["refresh_token"])
