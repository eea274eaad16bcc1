"""The first words with a server: whether it is one that can be examined at all."""

from langfast_wsgi.cli import address
from langfast_wsgi.cli.completion import fits_a_header
from langfast_wsgi.cli.conformance import wording
from langfast_wsgi.cli.conformance.answer import Answer, dig
from langfast_wsgi.cli.conformance.server import Server, Unanswered
from langfast_wsgi.cli.steps import NotDone, OutOfTime, bounded

LIMIT = 40.0


class Unfit(Exception):
    """It cannot be examined; the message is one sentence that says why, and what to do."""


def meet(server: Server) -> None:
    """One plain completion, which has to work. Raises Unfit."""
    where = address.shown(server.api)
    if not fits_a_header(server.key or ""):
        raise Unfit("The key holds characters that no HTTP header can carry.")
    try:
        answer = bounded("first words", lambda: _first_words(server), LIMIT)
    except Unanswered as gone:
        raise Unfit(f"Nothing to examine at {where}: {gone}.") from None
    except NotDone as reason:
        raise Unfit(f"Nothing to examine at {where}: {reason}.") from None
    except OutOfTime:
        raise Unfit(f"Nothing to examine at {where}: no answer within {LIMIT:g} s.") from None
    if answer.status == 200 and isinstance(dig(answer.json, "choices"), list):
        return
    raise Unfit(_reason(answer, server, where))


def _first_words(server: Server) -> Answer:
    """The answer to a plain question; and what it is, which nobody shall have to wait for later."""
    answer = server.plain()
    if answer.status == 200:
        _ = server.own
    return answer


def _reason(answer: Answer, server: Server, where: str) -> str:
    status = answer.status
    if "html" in answer.media_type:
        return (
            f"{where} answers with a web page ({status}): give the base URL of the API,"
            " such as http://127.0.0.1:8000/v1."
        )
    if 300 <= status < 400:
        return f"{where} redirects elsewhere ({status}): give the address where the API is."
    if status == 401 or (status == 403 and not server.key):
        if server.key:
            return f"{where} does not take the key that was sent."
        return (
            f"{where} wants a key: put it into OPENAI_API_KEY, or name its variable by --key-env."
        )
    said = dig(answer.error, "message")
    words = f": {wording.shown(said, server.key)}" if isinstance(said, str) else "."
    if dig(answer.error, "code") == "model_not_found":
        return f"{where} does not know the model {server.model!r}: name another by --model."
    if status == 404:
        return (
            f"{where} has no route /chat/completions below the base URL that was given ({status})."
        )
    if status == 200:
        return f"{where} answers 200, but with no chat completion: is that the base URL of an API?"
    return f"{where} does not answer a plain question ({status}){words}"
