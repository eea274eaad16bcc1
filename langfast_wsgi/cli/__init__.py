"""The ``langfast`` command.

Commands are imported when they are asked for: the emulator patches this process before anything
imports ssl or starts a thread, and ``chat`` shall not wait for Flask.
"""

from importlib import import_module
from typing import Any

import click

from langfast_wsgi import __version__

COMMANDS = ("serve", "chat", "doctor", "emulate")
INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended


class Commands(click.Group):
    """A group whose commands live in modules of the same names, each as ``command``."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the module of that name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{name}").command
        return command

    def invoke(self, context: click.Context) -> Any:
        """Ctrl-C ends any command without a word: who pressed it knows."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            context.exit(INTERRUPTED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="langfast", message="%(prog)s %(version)s")
def main() -> None:
    """An OpenAI-compatible API in front of a prompt runner.

    Start it with `langfast serve`, ask it something with `langfast chat "…"`, and have it looked
    over with `langfast doctor`.
    """
