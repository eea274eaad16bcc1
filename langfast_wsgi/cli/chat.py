"""``langfast chat``: one question, its answer as it comes."""

import sys
from contextlib import ExitStack
from typing import Any

import click

from langfast_wsgi import settings
from langfast_wsgi.cli import address
from langfast_wsgi.cli.completion import ChatFailed, Completion
from langfast_wsgi.cli.failure import Failure, Unusable

# A model's words may not steer the terminal: of the control characters only these do what they say.
_HARMLESS = "\t\n"
_CONTROLS = {
    number: "\N{REPLACEMENT CHARACTER}"
    for number in (*range(0x20), *range(0x7F, 0xA0))
    if chr(number) not in _HARMLESS
}


@click.command("chat")
@click.argument("prompt", required=False)
@click.option("--model", metavar="ID", help="Model to ask.  [default: the gateway's own]")
@click.option("--system", metavar="TEXT", help="Instructions that go before the prompt.")
@click.option(
    "--url",
    metavar="URL",
    help="API of the gateway.  [default: by HOST and PORT, http://127.0.0.1:8000/v1]",
)
@click.option(
    "--key",
    metavar="KEY",
    help="API key.  [default: the first of API_MASTER_KEY, for a gateway on this machine]",
)
def command(
    prompt: str | None, model: str | None, system: str | None, url: str | None, key: str | None
) -> None:
    """Ask a running gateway, and print the answer as it comes.

    PROMPT is read from stdin where it is - or where something is piped in instead. Stdout gets the
    answer's text and nothing else.

    \b
    Examples:
      langfast chat "What is a monad?"
      git diff | langfast chat --system "Write a commit message." > message.txt
    """
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": _prompt(prompt)})
    body: dict[str, Any] = {"messages": messages}
    if model:
        body["model"] = model
    try:
        api, key = _whom(url, key)
        with Completion(api, key, body) as answer:
            _print(answer)
    except (settings.SettingsError, address.NoAddress) as error:
        raise Unusable(str(error)) from None
    except ChatFailed as failed:
        raise Failure(_sentence(failed, key)) from None


def _prompt(given: str | None) -> str:
    if given not in (None, "-"):
        return str(given)
    if given is None and sys.stdin.isatty():
        raise Unusable('What shall be asked? For example: langfast chat "Hello"')
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise Unusable("What came on stdin is not UTF-8 text.") from None
    if not text:
        raise Unusable("The prompt is empty: nothing came on stdin.")
    return text


def _whom(url: str | None, key: str | None) -> tuple[str, str | None]:
    """The API and the key. The service's own key goes to no other machine unasked."""
    if url is None:
        chosen = settings.load()
        own = next(iter(chosen.api_keys), None)
        return address.api(address.of_gateway(chosen)), key or own
    api = address.api(url)
    if key is None and address.is_this_machine(api):
        key = next(iter(settings.load().api_keys), None)
    return api, key


def _sentence(failed: ChatFailed, key: str | None) -> str:
    """What failed; of a refused key, what this command can do about it."""
    if failed.code != "invalid_api_key":
        return str(failed)
    if key:
        return "The gateway does not take the key that was sent."
    return "The gateway wants a key, and none was sent: give one with --key."


def _print(answer: Completion) -> None:
    """Each text at once. A person gets a spinner before it and a new line behind it."""
    to_person = sys.stdout.isatty()
    last = ""
    with ExitStack() as stack:
        spinner = stack.enter_context(_Spinner(to_person))
        if to_person:
            stack.callback(lambda: _write("" if last.endswith("\n") or not last else "\n"))
        for text in answer:
            spinner.stop()
            last = text.translate(_CONTROLS) if to_person else text
            _write(last)
    if answer.finish_reason not in (None, "stop"):
        click.echo(f"langfast: the answer ends here: {answer.finish_reason}", err=True)


def _write(text: str) -> None:
    # Bytes: no locale may change or refuse what the model said. A lone surrogate has none.
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


class _Spinner(ExitStack):
    """Turns on stderr until it is stopped, if there is somebody to look at it."""

    def __init__(self, wanted: bool) -> None:
        super().__init__()
        if wanted and sys.stderr.isatty():
            from rich.console import Console

            self.enter_context(Console(stderr=True).status("thinking …"))

    def stop(self) -> None:
        """Take it away; more than once is fine."""
        self.close()
