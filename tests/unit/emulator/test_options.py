"""The command line."""

import pytest

from langfast_wsgi.emulator import Options
from langfast_wsgi.emulator.options import from_arguments


def test_without_arguments_the_defaults_hold() -> None:
    assert from_arguments([]) == Options()


def test_every_option_has_its_argument() -> None:
    line = (
        "--host ::1 --port 8000 --watch-stdin --replies r.json --interval 0 --token-lifetime 5 "
        "--anon-key k --signups-per-hour 30 --socket-lifetime 2.5 --connect-timeout 1 "
        "--reuse-interval 0 --no-job-ids --verbose"
    )
    assert from_arguments(line.split()) == Options(
        host="::1",
        port=8000,
        watch_stdin=True,
        replies="r.json",
        interval=0.0,
        token_lifetime=5,
        anon_key="k",
        signups_per_hour=30,
        socket_lifetime=2.5,
        connect_timeout=1.0,
        reuse_interval=0.0,
        job_ids=False,
        verbose=True,
    )


@pytest.mark.parametrize(
    "line", ["--port 99999", "--port x", "--interval -1", "--interval nan", "--signups-per-hour -1"]
)
def test_a_value_of_no_use_ends_with_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        from_arguments(line.split())
    assert caught.value.code == 2
    assert line.split()[0] in capsys.readouterr().err
