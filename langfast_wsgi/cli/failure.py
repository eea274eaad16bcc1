"""How a command ends when it cannot do its work: one sentence on stderr and an exit code."""

from typing import IO, Any

import click


class Failure(click.ClickException):
    """It was tried and did not work."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """The sentence, on stderr."""
        click.echo(f"langfast: {self.message}", file=file, err=True)


class Unusable(Failure):
    """It was not even tried: the command line, the settings or the place make no sense."""

    exit_code = 2  # as click says of a command line
