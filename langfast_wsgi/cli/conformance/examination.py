"""``langfast doctor --conformance URL``: from the command line to the exit code."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import click

from langfast_wsgi import settings
from langfast_wsgi.cli import address
from langfast_wsgi.cli.conformance import report, suite
from langfast_wsgi.cli.conformance.check import results
from langfast_wsgi.cli.conformance.meeting import Unfit, meet
from langfast_wsgi.cli.conformance.server import Server
from langfast_wsgi.cli.failure import Failure, Unusable
from langfast_wsgi.cli.steps import Finding, Mark

OPENAIS, OWN = "OPENAI_API_KEY", "API_MASTER_KEY"
WIDTH = 2  # of a number


@dataclass(frozen=True, slots=True)
class Asked:
    """How the examination is wanted."""

    model: str | None = None
    key_env: str | None = None
    only: str | None = None
    strict: bool = False
    as_json: bool = False


def carried_out(
    context: click.Context, base: str, asked: Asked, line: Callable[[Finding, int], str]
) -> int:
    """The examination, told on stdout; its exit code. Raises Failure in one sentence."""
    try:
        checks = suite.chosen(asked.only)
        api = address.api(base)
        server = Server(api, _key(context, api, asked.key_env), asked.model)
    except (suite.NoCheck, address.NoAddress, settings.SettingsError) as error:
        raise Unusable(str(error)) from None
    begun = time.monotonic()
    try:
        meet(server)
    except Unfit as reason:
        raise Failure(str(reason)) from None
    if not asked.as_json:
        click.echo(report.heading(server))
    found = []
    for result in results(checks, server, strict=asked.strict):
        found.append(result)
        if not asked.as_json:
            text, expected = report.sentence(result)
            finding = Finding(result.mark, f"{result.check.number:>{WIDTH}}", text, expected)
            click.echo(line(finding, WIDTH))
    spent = time.monotonic() - begun
    told = report.as_json(server, found, spent) if asked.as_json else report.summary(found, spent)
    click.echo(told)
    return int(any(result.mark is Mark.FAILED for result in found))


def _key(context: click.Context, api: str, named: str | None) -> str | None:
    """The key, never from the command line. The service's own goes to no other machine unasked."""
    if named is not None:
        found = _variable(context, named)
        if not found:
            raise Unusable(f"There is no environment variable {named} with a key in it.")
        return found.split(",")[0].strip() if named == OWN else found
    own = settings.load().api_keys if address.is_this_machine(api) else ()
    return next(iter(own), None) or _variable(context, OPENAIS)


def _variable(context: click.Context, name: str) -> str | None:
    """An environment variable, read by click as it does for options."""
    return click.Option(["--key"], envvar=name).resolve_envvar_value(context)
