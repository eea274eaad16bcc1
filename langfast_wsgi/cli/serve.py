"""``langfast serve``: gunicorn with the project's configuration, in place of this process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

import langfast_wsgi
from langfast_wsgi import settings
from langfast_wsgi.cli.failure import Unusable

CONFIGURATION = "gunicorn.conf.py"
APPLICATION = "langfast_wsgi.wsgi:app"


@click.command("serve")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: HOST, 127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port to listen on.  [default: PORT, 8000]"
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes.  [default: WEB_CONCURRENCY, 1]"
)
@click.argument(
    "gunicorn_arguments",
    nargs=-1,
    type=click.UNPROCESSED,
    metavar="[-- GUNICORN_ARGUMENTS...]",
)
def command(
    host: str | None, port: int | None, workers: int | None, gunicorn_arguments: tuple[str, ...]
) -> None:
    """Start the gateway.

    Everything else is configured by the environment and .env. Without an upstream there, the
    embedded emulator serves. What stands behind -- is handed to gunicorn.

    \b
    Examples:
      langfast serve --port 9000
      langfast serve --workers 4 -- --certfile tls.pem --keyfile tls.key
    """
    try:
        changes = environment(host, port, workers)
    except settings.SettingsError as error:
        raise Unusable(str(error)) from None
    arguments = ["-m", "gunicorn", "-c", str(configuration()), *gunicorn_arguments, APPLICATION]
    _become([sys.executable, *arguments], changes)


def configuration() -> Path:
    """The project's gunicorn.conf.py: in the current folder, else beside the package."""
    beside = Path(langfast_wsgi.__file__).resolve().parents[1]
    for folder in (Path.cwd(), beside):
        if (folder / CONFIGURATION).is_file():
            return folder / CONFIGURATION
    raise Unusable(
        f"{CONFIGURATION} is neither in the current folder nor beside the package:"
        " run this in a checkout of the project."
    )


def environment(host: str | None, port: int | None, workers: int | None) -> dict[str, str]:
    """The options as settings. Raises SettingsError where the settings do not fit."""
    given = {"host": host, "port": port, "web_concurrency": workers}
    wanted = {name: value for name, value in given.items() if value is not None}
    chosen = settings.load(**wanted)
    if port is not None and host is None:
        # PORT in the environment reads as "a platform set it, listen everywhere": not meant here.
        wanted["host"] = chosen.bind.rpartition(":")[0].strip("[]")
    return {name.upper(): str(value) for name, value in wanted.items()}


def _become(program: list[str], changes: Mapping[str, str]) -> None:
    """Replace this process, so that signals and exit code are gunicorn's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    # Handed on as a whole: nothing is read from it here, settings.py alone does that.
    os.execve(program[0], program, {**os.environ, **changes})  # noqa: S606
