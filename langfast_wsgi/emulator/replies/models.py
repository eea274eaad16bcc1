"""The models that the emulator offers: each does what it says; any other name behaves like echo."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langfast_wsgi.emulator.replies.conversation import Message, echo
from langfast_wsgi.emulator.replies.reply import Details, Reply

Answering = Callable[[Sequence[Message]], Reply]


@dataclass(frozen=True, slots=True)
class Model:
    """One offered model."""

    description: str
    reply: Answering


def _echo(messages: Sequence[Message]) -> Reply:
    return Reply(echo(messages))


def _auto(messages: Sequence[Message]) -> Reply:
    # Imported late: only those who ask for this model pay for it.
    from langfast_wsgi.emulator import obedient

    return Reply(obedient.answer([dict(message) for message in messages]))


def _slow(_: Sequence[Message]) -> Reply:
    text = " ".join(f"tick {number}" for number in range(1, 301))
    return Reply(text, chunks=300, interval=0.1, delay=3.0)


def _refusing(fault: str, details: Details | None = None) -> Answering:
    def reply(messages: Sequence[Message]) -> Reply:
        return Reply(echo(messages), faults=frozenset({fault}), details=details or Details())

    return reply


def _cut(_: Sequence[Message]) -> Reply:
    text = "One, two, three, and the line is cut before this sentence ends."
    return Reply(text, chunks=6, faults=frozenset({"drop-for-good"}), details=Details(at=3))


_TWICE = Details(times=2, retry_after=1)

MODELS: Mapping[str, Model] = {
    "echo": Model("says the last user message again, byte for byte", _echo),
    "auto": Model("obeys without thinking: calls tools, fills JSON, says exact words", _auto),
    "slow": Model("three seconds of silence, then 300 chunks, one every 0.1 s", _slow),
    "error-400": Model("refuses to start: 400", _refusing("start-400")),
    "error-429": Model(
        "refuses to start: 429, Retry-After 1", _refusing("start-429", Details(retry_after=1))
    ),
    "error-500": Model("refuses to start: 500", _refusing("start-500")),
    "flaky-429": Model(
        "answers 429 twice for a prompt, then replies", _refusing("start-429", _TWICE)
    ),
    "error-midstream": Model("three chunks, then the socket is cut for good", _cut),
}


def model_list() -> list[dict[str, str]]:
    """The models as the information route shows them."""
    return [{"id": name, "description": model.description} for name, model in MODELS.items()]


def reply_of(model: str, messages: Sequence[Message]) -> Reply:
    """What a model replies to a conversation."""
    known = MODELS.get(model)
    return known.reply(messages) if known else _echo(messages)
