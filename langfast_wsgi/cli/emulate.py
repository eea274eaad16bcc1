"""``langfast emulate``: the stand-in for the upstream, in the foreground.

Its options are declared once, in the emulator. It announces itself with a line of JSON on stdout,
for programs; a person gets the same on stderr, as settings for a gateway.
"""

import io
import json
import sys
from contextlib import redirect_stdout
from typing import TextIO

import click

PORT = 8100  # a fixed one, so that a gateway's settings survive a restart


@click.command(
    "emulate",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    short_help="Start the emulator, an upstream to try things with.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Start the emulator."""
    from langfast_wsgi.emulator import Options, serve
    from langfast_wsgi.emulator.options import parser

    made = parser()
    made.prog = "langfast emulate"
    made.description = (
        "Start the emulator, a stand-in for the upstream that echoes, follows scripts and fails on"
        f" demand. It listens on port {PORT} unless told otherwise, and prints the settings that"
        " point a gateway at it."
    )
    made.set_defaults(port=PORT)
    options = Options(**vars(made.parse_args(arguments)))
    with redirect_stdout(_Announcement(sys.stdout, sys.stderr)):
        code = serve(options)
    sys.exit(code)


class _Announcement(io.TextIOBase):
    """The emulator's stdout: its first line is handed on, and explained on stderr."""

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._line: str | None = ""  # None once it was explained

    def write(self, text: str, /) -> int:
        """To stdout; the first whole line to stderr as well, in other words."""
        if self._line is not None:
            self._line += text
            if "\n" in self._line:
                self._stderr.write(explained(self._line.partition("\n")[0]))
                self._stderr.flush()
                self._line = None
        return self._stdout.write(text)

    def flush(self) -> None:
        """Both ways."""
        self._stdout.flush()


def explained(announcement: str) -> str:
    """The line of JSON as settings for a gateway."""
    info = json.loads(announcement)
    return (
        f"# The emulator listens at {info['url']}. These settings point a gateway at it:\n"
        f"SUPABASE_URL={info['url']}\n"
        f"SUPABASE_ANON_KEY={info['anon_key']}\n"
        f"SOCKET_URL={info['url']}\n"
        f"PROMPT_ID={info['prompt_id']}\n"
    )
