"""The command itself."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from langfast_wsgi import __version__, cli


def test_the_version_is_told() -> None:
    assert CliRunner().invoke(cli.main, ["--version"]).output == f"langfast {__version__}\n"


@pytest.mark.parametrize("arguments", [[], *([name] for name in cli.COMMANDS)], ids=str)
def test_every_command_explains_itself(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli.main, [*arguments, "--help"], prog_name="langfast")
    assert result.exit_code == 0
    assert result.output.lower().startswith(" ".join(["usage: langfast", *arguments]))
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_the_help_lists_every_command_with_a_sentence() -> None:
    listed = CliRunner().invoke(cli.main, ["--help"]).output.partition("Commands:\n")[2]
    lines = [line.split(maxsplit=1) for line in listed.splitlines()]
    assert [name for name, _ in lines] == list(cli.COMMANDS)
    assert all(sentence.endswith(".") for _, sentence in lines)


def test_an_unknown_command_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli.main, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.output


def test_ctrl_c_ends_any_command_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.Commands, "get_command", interrupted)
    result = CliRunner().invoke(cli.main, ["chat"])
    assert (result.exit_code, result.output) == (130, "")


def test_nothing_that_gevent_must_patch_first_is_imported_with_the_command() -> None:
    code = "import sys, langfast_wsgi.cli.emulate; print('ssl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
