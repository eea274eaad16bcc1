"""What callers send stands in the log as one line a request, cut and without control characters."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.raw import RawConnection
from tests.system.conftest import KEY
from tests.system.hostile.conftest import AUTH

FORGED = "2026-01-01 00:00:00,000 ERROR langfast_wsgi [1] forged"
TEXT_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+ \[\d+\] .*")
LONGEST = 1_200


@pytest.fixture(scope="module", params=["text", "json"])
def logging(
    emulator: EmulatorProcess, request: pytest.FixtureRequest
) -> Iterator[tuple[GatewayProcess, str]]:
    with running_gateway(
        emulator,
        API_MASTER_KEY=KEY,
        MIN_CREDENTIALS=1,
        LOG_FORMAT=request.param,
        LOG_LEVEL="debug",
    ) as process:
        process.http.headers.update(AUTH)
        yield process, request.param


def heads() -> Iterator[str]:
    """The heads of requests that want to be more than one line, or another one."""
    forged = FORGED.replace(" ", "%20")
    for path in (
        f"/v1/models/%0d%0a{forged}",
        f"/%0a{forged}%0a",
        "/%1b[2J%1b[31mred%07",
        "/%00%08%7f%c2%85%c2%9b31m",
        "/%e2%80%a8%e2%80%ae",
        "/" + "a" * 4_000,
        '/%22%20200%20"',
        '/{"level":"ERROR","message":"forged"}'.replace('"', "%22"),
    ):
        yield f"GET {path} HTTP/1.1\r\nHost: x\r\n"
    for agent in (
        '", "level": "ERROR", "message": "forged',
        '{"level": "ERROR"}',
        '" 200 0 0ms forged "',
        "\\n" + FORGED,
        "\x85\x9b31m\xe9",
        "%s %d %(levelname)s {0} %n",
        "u" * 8_000,
        "Bearer " + "s" * 40,
    ):
        yield f"GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\n"
    yield "GET /healthz HTTP/1.1\r\nHost: x\r\nBad Name" + "n" * 7_000 + ": x\r\n"
    yield "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a b\r\n"
    yield f"BREW /%0d{forged} HTTP/1.1\r\nHost: x\r\n"


def test_e35_nothing_that_a_caller_sends_adds_a_line_to_the_log(
    logging: tuple[GatewayProcess, str],
) -> None:
    gateway, kind = logging
    before = len(gateway.log().splitlines())
    for head in heads():
        with RawConnection(gateway) as raw:
            raw.send((head + "Connection: close\r\n\r\n").encode("latin-1"))
            assert raw.answer()[0] in (200, 400, 404, 405)
    for hostile in (f"x\r\n{FORGED}", "\x1b[31m", '"}\n{"level":"ERROR"}'):
        gateway.chat("x", user=hostile, model=hostile)
        gateway.chat(hostile, user=hostile, **{hostile: 1})
        gateway.chat(json.dumps({"fault": "start-400", "message": hostile}))
        gateway.chat(json.dumps({"fault": "fail", "message": hostile}))
    gateway.get("/last")
    wait_for(lambda: "/last" in gateway.log(), "the last line")
    # By line feed alone, as readers of a log do; what else ends a line must not stand in it.
    lines = gateway.log().split("\n")[:-1]
    assert len(lines) > before + 20
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert len(line) < LONGEST
        if kind == "json":
            record = json.loads(line)
            assert record["logger"].startswith(("langfast_wsgi", "gunicorn"))
            assert record["level"] != "ERROR"
        else:
            assert TEXT_RECORD.fullmatch(line), line
            assert line[24:].split()[0] != "ERROR"
    assert "s" * 40 not in gateway.log()
