"""``langfast doctor``: looks everything over, from the settings to one run, and says what to do."""

import logging.config
import sys
from collections.abc import Iterator
from typing import Any

import click

from langfast_wsgi import settings
from langfast_wsgi.cli import address, advice, gateway_checks, local_checks, steps
from langfast_wsgi.cli.conformance import examination
from langfast_wsgi.cli.conformance.examination import Asked
from langfast_wsgi.cli.failure import Unusable
from langfast_wsgi.cli.gateway_checks import GatewayChecks
from langfast_wsgi.cli.steps import Finding, Mark, Wrong
from langfast_wsgi.cli.upstream_checks import Allowed, UpstreamChecks
from langfast_wsgi.observe import logs
from langfast_wsgi.settings import Settings, SettingsError

WIDTH = 15  # of a check's name
RUN_LIMIT = 120.0  # for a gateway's answer, where no settings say otherwise
PLAIN = {Mark.PASSED: "ok", Mark.FAILED: "FAILED", Mark.SKIPPED: "-", Mark.REMARKED: "!"}
COLOURS = {
    Mark.PASSED: "green",
    Mark.FAILED: "red",
    Mark.SKIPPED: "yellow",
    Mark.REMARKED: "magenta",
}
UPSTREAM_NAMES = ("auth service", "sign-in", "socket", "run")


@click.command("doctor")
@click.option(
    "--url",
    metavar="URL",
    help="Your gateway; it gets the first of API_MASTER_KEY.  [default: by HOST and PORT]",
)
@click.option(
    "--sign-up", is_flag=True, help="Make an anonymous account on the upstream, if one is needed."
)
@click.option(
    "--use-refresh-token",
    is_flag=True,
    help="Spend UPSTREAM_REFRESH_TOKEN on this: it is good for one use.",
)
@click.option("--verbose", is_flag=True, help="Log what is said on the wire, secrets masked.")
@click.option(
    "--conformance",
    "base",
    metavar="URL",
    help="In place of all that: whether the API at this base URL, anybody's, is OpenAI's.",
)
@click.option(
    "--model", metavar="ID", help="Model to ask there.  [default: gpt-4o-mini, or a listed one]"
)
@click.option(
    "--key-env",
    metavar="VAR",
    help="Environment variable with the key for it.  [default: the first of API_MASTER_KEY on this"
    " machine, else OPENAI_API_KEY]",
)
@click.option("--only", metavar="NUMBERS", help="Only these of its checks, such as 19,20 or 19-26.")
@click.option("--strict", is_flag=True, help="A rule beyond OpenAI's own is one like the others.")
@click.option("--json", "as_json", is_flag=True, help="Its results as JSON.")
@click.pass_context
def command(
    context: click.Context,
    /,
    url: str | None,
    sign_up: bool,
    use_refresh_token: bool,
    verbose: bool,
    base: str | None,
    **asked: Any,
) -> None:
    """Look everything over, and say what is wrong and what to do.

    In this order: settings, libraries, the way to the upstream, signing in, the socket, one run;
    then the gateway itself, if it runs. Each check is bounded by the timeouts of the settings.

    Nothing is spent on an upstream of yours but one short run. No account is made without
    --sign-up, and no token is used up without --use-refresh-token. The exit code is 0 if nothing
    failed, 1 otherwise.

    With --conformance it does something else: some 100 short requests to the API at that URL show
    whether it keeps to OpenAI's wire, rule by rule (docs/conformance.md).
    """
    if base is not None:
        if url or sign_up or use_refresh_token or verbose:
            raise Unusable(
                "--conformance looks at one API, and goes with none of the other checks."
            )
        sys.exit(examination.carried_out(context, base, Asked(**asked), _shown))
    stray = [name for name, value in asked.items() if value]
    if stray:
        raise Unusable(
            f"--{stray[0].replace('_', '-').removeprefix('as-')} goes with --conformance."
        )
    try:
        root = address.root(url) if url else None
    except address.NoAddress as error:
        raise Unusable(str(error)) from None
    failed = False
    for finding in examined(root, Allowed(sign_up, use_refresh_token), verbose):
        click.echo(line(finding))
        failed = failed or finding.mark is Mark.FAILED
    sys.exit(1 if failed else 0)


def examined(root: str | None, allowed: Allowed, verbose: bool) -> Iterator[Finding]:
    """All findings, each as soon as it is known."""
    chosen, finding = _settings()
    _set_logging(chosen, verbose)
    yield finding
    yield from steps.findings(local_checks.steps())
    if chosen is None:
        yield from steps.skipped(UPSTREAM_NAMES, "it needs settings")
    else:
        with UpstreamChecks(chosen, allowed) as upstream:
            yield from steps.findings(upstream.steps())
    yield from _gateway(root, chosen)


def _settings() -> tuple[Settings | None, Finding]:
    chosen: Settings | None = None
    try:
        chosen = settings.load()
        return chosen, Finding(Mark.PASSED, "settings", local_checks.described(chosen))
    except SettingsError as error:
        todo = advice.by_code("settings")
        return None, Finding(Mark.FAILED, "settings", str(error), todo)
    except Wrong as wrong:
        return chosen, Finding(Mark.FAILED, "settings", str(wrong), wrong.todo)


def _gateway(root: str | None, chosen: Settings | None) -> Iterator[Finding]:
    if chosen is None and root is None:
        return steps.skipped(gateway_checks.NAMES, "it needs settings, or --url")
    where, key, limit = root, None, RUN_LIMIT
    if chosen is not None:
        where = where or address.of_gateway(chosen)
        key = next(iter(chosen.api_keys), None)
        limit = chosen.queue_timeout + 2 * chosen.start_timeout + chosen.run_idle_timeout
    checks = GatewayChecks(str(where), key, certain=root is not None, run_limit=limit)
    return steps.findings(checks.steps())


def _set_logging(chosen: Settings | None, verbose: bool) -> None:
    """Quiet unless asked for: the report says it all in better words."""
    if verbose and chosen is not None:
        logging.config.dictConfig(logs.config(chosen.model_copy(update={"log_level": "debug"})))
    else:
        logging.getLogger(logs.LOGGER).setLevel(logging.CRITICAL)


def line(finding: Finding) -> str:
    """One line of the report, in what stdout can show."""
    return _shown(finding, WIDTH)


def _shown(finding: Finding, width: int) -> str:
    """One line, with so much room for the name."""
    encoding = sys.stdout.encoding or "utf-8"
    sign = finding.mark.value
    if sign.encode(encoding, "ignore") == b"":
        sign = PLAIN[finding.mark]
    todo = f" → {finding.todo}" if finding.todo else ""
    said = f"{finding.name:<{width}} {finding.text}{todo}"
    shown = said.encode(encoding, "replace").decode(encoding)
    return f"{click.style(sign, fg=COLOURS[finding.mark])} {shown}"
