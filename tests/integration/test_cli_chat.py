"""``langfast chat`` against a real gateway, and against servers that misbehave."""

import json
import os
import pty
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.gateway import GatewayProcess, environment, free_port, running_gateway
from tests.unit.cli.command import answering, command, langfast, started

KEY = "sk-of-the-test"
SHORT = "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "grüß 🦊"}}]}) + "\n\n"
CHUNK = SHORT.encode()
RAW_CHUNK = json.dumps(
    {"choices": [{"index": 0, "delta": {"content": "grüß 🦊"}}]}, ensure_ascii=False
).encode()
DONE = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def gateway() -> Iterator[GatewayProcess]:
    with running_gateway(API_MASTER_KEY=f"{KEY},another") as running:
        yield running


def beside(gateway: GatewayProcess) -> dict[str, Any]:
    """The settings of the service itself, as they stand in its .env."""
    return {"HOST": "127.0.0.1", "PORT": gateway.port, "API_MASTER_KEY": f"{KEY},another"}


def sentence(done: "subprocess.CompletedProcess[bytes]") -> str:
    """The one line on stderr."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


# --- what works ----------------------------------------------------------------------------------


def test_the_answers_text_and_nothing_else_is_on_stdout(gateway: GatewayProcess) -> None:
    text = "Grüße, 世界! 👩‍👩‍👧\n\n  two  spaces\t\x1b[31mred"
    done = langfast("chat", text, "--model", "echo", **beside(gateway))
    assert (done.returncode, done.stdout, done.stderr) == (0, text.encode(), b"")


@pytest.mark.parametrize("arguments", [["chat"], ["chat", "-"]])
def test_the_prompt_may_be_piped_in(gateway: GatewayProcess, arguments: list[str]) -> None:
    done = langfast(*arguments, "--model", "echo", stdin="from a pipe\n", **beside(gateway))
    assert (done.returncode, done.stdout) == (0, b"from a pipe\n")


def test_url_and_key_may_be_given(gateway: GatewayProcess) -> None:
    done = langfast("chat", "hello", "--url", gateway.url, "--key", "another")
    assert (done.returncode, done.stdout) == (0, b"hello")


def test_text_is_written_as_it_comes(gateway: GatewayProcess) -> None:
    steering = json.dumps({"text": "one two three four", "chunks": 4, "interval": 0.3})
    with started("chat", steering, "--model", "echo", **beside(gateway)) as process:
        assert process.stdout
        first = process.stdout.read1(100)
        came = time.monotonic()
        rest = process.stdout.read()
        assert time.monotonic() - came > 0.5
        assert process.wait(5) == 0
    assert first + rest == b"one two three four"


def test_an_answer_that_was_cut_short_says_so(gateway: GatewayProcess) -> None:
    steering = json.dumps({"text": "one two", "finish_reason": "length"})
    done = langfast("chat", steering, "--model", "echo", **beside(gateway))
    assert (done.returncode, done.stdout) == (0, b"one two")
    assert sentence(done) == "langfast: the answer ends here: length"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_characters_that_the_network_cuts_come_out_whole(size: int) -> None:
    stream = b": hi\r\n\r\ndata: " + RAW_CHUNK + b"\r\n\r\n" + DONE
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    with answering(*pieces) as url:
        done = langfast("chat", "hello", "--url", url)
    assert (done.returncode, done.stdout.decode()) == (0, "grüß 🦊")


# --- what fails ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--model", "error-429"],
            "The gateway answered 429: The upstream's rate limit is reached."
            " (rate_limit_exceeded) Try again in 1 s.",
        ),
        (
            ["--model", "no-such-model"],
            "The gateway answered 404: The model 'no-such-model' does not exist or you do not have"
            " access to it. (model_not_found)",
        ),
        (
            ["--key", "sk-wrong"],
            "The gateway does not take the key that was sent.",
        ),
    ],
)
def test_an_error_of_the_gateway_is_one_sentence(
    gateway: GatewayProcess, arguments: list[str], said: str
) -> None:
    done = langfast("chat", "hello", *arguments, **beside(gateway))
    assert (done.returncode, done.stdout) == (1, b"")
    assert sentence(done) == f"langfast: {said}"


def test_a_gateway_that_wants_a_key_says_so(gateway: GatewayProcess) -> None:
    done = langfast("chat", "hello", HOST="127.0.0.1", PORT=gateway.port)
    assert done.returncode == 1
    assert sentence(done).endswith("wants a key, and none was sent: give one with --key.")


def test_an_error_in_mid_stream_leaves_what_came_before(gateway: GatewayProcess) -> None:
    steering = json.dumps(
        {"text": "one two three four", "chunks": 4, "interval": 0.1, "fault": "rewrite", "at": 2}
    )
    done = langfast("chat", steering, "--model", "echo", **beside(gateway))
    assert done.returncode == 1
    assert b"one two three four".startswith(done.stdout)
    assert len(done.stdout) > 4
    assert sentence(done) == (
        "langfast: The answer broke off: The upstream rewrote text that was already sent."
        " (upstream_inconsistent)"
    )


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize(
    ("head", "pieces", "stdout", "said"),
    [
        pytest.param(
            b"",
            [CHUNK],
            "grüß 🦊",
            "The answer broke off: the stream ended without its end mark.",
            id="no end mark",
        ),
        pytest.param(
            b"",
            [CHUNK, CHUNK[:40]],
            "grüß 🦊",
            "The answer broke off: the gateway sent half an event.",
            id="half an event",
        ),
        pytest.param(
            HEAD + b"Content-Length: 1000\r\n\r\n",
            [CHUNK],
            "grüß 🦊",
            "The answer broke off: the connection to the gateway was lost.",
            id="shorter than it said",
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            [b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK)],
            "grüß 🦊",
            "The answer broke off: the connection to the gateway was lost.",
            id="no last chunk",
        ),
        pytest.param(
            b"",
            [b'data: {"error": {"message": "It\\u001b[2J broke.", "code": "worn_out"}}\n\n', DONE],
            "",
            "The answer broke off: It?[2J broke. (worn_out)",
            id="an error event",
        ),
        pytest.param(
            b"",
            [b"data: [1]\n\n", DONE],
            "",
            "The gateway sent an event that is no chunk of an answer.",
            id="no chunk",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
            [b"<p>Hello"],
            "",
            "{} did not answer with a stream: is it a gateway?",
            id="a web page",
        ),
        pytest.param(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n",
            [b"<p>Oops"],
            "",
            "The gateway answered 502: it gives no reason in a form that we know.",
            id="an error page",
        ),
        pytest.param(
            b"HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.test/\r\n\r\n",
            [],
            "",
            "The gateway's address has moved (301): give the new one.",
            id="a redirect",
        ),
        pytest.param(
            b"SSH-2.0-OpenSSH\r\n",
            [],
            "",
            "No answer from {}: it does not speak HTTP.",
            id="no web server",
        ),
    ],
)
def test_a_server_that_misbehaves_is_told_in_one_sentence(
    head: bytes, pieces: list[bytes], stdout: str, said: str
) -> None:
    with answering(*pieces, head=head) as url:
        done = langfast("chat", "hello", "--url", url)
    assert (done.returncode, done.stdout.decode()) == (1, stdout)
    assert sentence(done) == "langfast: " + said.format(url)


def test_without_a_gateway_it_says_how_to_start_one() -> None:
    port = free_port()
    done = langfast("chat", "hello", HOST="127.0.0.1", PORT=port)
    assert (done.returncode, done.stdout) == (1, b"")
    assert sentence(done) == (
        f"langfast: No gateway listens at http://127.0.0.1:{port}. Start one with: langfast serve"
    )


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (["chat"], b"", "langfast: The prompt is empty: nothing came on stdin."),
        (["chat"], b"\xff", "langfast: What came on stdin is not UTF-8 text."),
        (
            ["chat", "hello", "--url", "localhost:8000"],
            b"",
            "langfast: 'localhost:8000' is no address such as http://127.0.0.1:8000/v1.",
        ),
    ],
)
def test_what_makes_no_sense_is_not_tried(arguments: list[str], stdin: bytes, said: str) -> None:
    done = langfast(*arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence(done) == said


def test_settings_that_do_not_fit_are_told_in_one_sentence() -> None:
    done = langfast("chat", "hello", PORT="none")
    assert done.returncode == 2
    assert sentence(done).startswith("langfast: Settings do not fit: PORT")


def test_ctrl_c_ends_it_quietly(gateway: GatewayProcess) -> None:
    steering = json.dumps({"text": "one two three four", "chunks": 4, "interval": 5})
    with started("chat", steering, "--model", "echo", **beside(gateway)) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.read1(100)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


# --- a person's terminal -------------------------------------------------------------------------


def on_a_terminal(*arguments: str, **settings: object) -> tuple[int, str]:
    """Exit code, and what a terminal gets to see."""
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            command(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(home, TERM="xterm", **settings),
        )
        os.close(theirs)
        seen = b""
        with process, os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while piece := terminal.read(4096):
                    seen += piece
            except OSError:
                pass  # on Linux the end of a terminal is an error
    return process.returncode, seen.decode()


def test_a_person_sees_a_spinner_until_the_first_text(gateway: GatewayProcess) -> None:
    steering = json.dumps({"text": "\x1b[2Jone two", "delay": 0.5})
    code, seen = on_a_terminal("chat", steering, "--model", "echo", **beside(gateway))
    before, _, answer = seen.rpartition("\N{REPLACEMENT CHARACTER}")
    assert code == 0
    assert "thinking" in before
    assert "thinking" not in answer
    # The model's own control character did nothing; the line was ended for the next prompt.
    assert answer == "[2Jone two\r\n"


def test_a_person_without_a_prompt_is_told_what_to_do() -> None:
    code, seen = on_a_terminal("chat")
    assert code == 2
    assert seen == 'langfast: What shall be asked? For example: langfast chat "Hello"\r\n'
