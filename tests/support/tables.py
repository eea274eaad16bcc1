"""The lists of settings and metrics in .env.example and docs/, made from the declarations.

After a change of langfast_wsgi/settings.py or langfast_wsgi/observe/metrics.py write them anew::

    .venv/bin/python -m tests.support.tables
"""

import re
from pathlib import Path

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr

from langfast_wsgi import settings
from langfast_wsgi.observe import metrics

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
CONFIGURATION = ROOT / "docs" / "configuration.md"
METRICS = ROOT / "docs" / "metrics.md"
WIDTH = 100

_FIELDS = settings.Settings.model_fields
_HEADING = re.compile(r"    # (.+)")
_DECLARATION = re.compile(r"    (\w+): .*= Field\(")

# Deeper than the settings, which are comments, too.
_INDENT = "#  "
_HEADER = """\
# All settings of the gateway, each with its default. To use: cp .env.example .env, take the comment
# mark off a line, change its value. What a setting is good for: docs/configuration.md
#
# The upstream must be a prompt runner that you run yourself, or whose operator lets you use it by
# program, with an account for each sign-up that the settings below allow. Without an upstream an
# embedded emulator answers: enough to try everything.
#
# ENV_FILE, in the environment only, names another file than .env in the working directory; an empty
# ENV_FILE means no file. The environment wins over the file. An empty value counts as not given.
# Lists are comma-separated, switches are 0 or 1, durations are in seconds. Put a value that holds
# spaces, a # or a $ between single quotes.
"""


def groups() -> dict[str, list[str]]:
    """The settings by the headings under which settings.py declares them."""
    source = Path(settings.__file__).read_text(encoding="utf-8")
    body = source.partition("class Settings(")[2].partition("@model_validator")[0]
    found: dict[str, list[str]] = {}
    for line in body.splitlines():
        if heading := _HEADING.fullmatch(line):
            found[heading[1]] = []
        elif declared := _DECLARATION.match(line):
            list(found.values())[-1].append(declared[1])
    return found


def default(name: str) -> str:
    """A default, as one would write it in the environment."""
    value = _FIELDS[name].default
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(int(value))
    return ",".join(value) if isinstance(value, tuple) else str(value)


def is_secret(name: str) -> bool:
    """Whether a setting is kept out of logs and messages."""
    return _FIELDS[name].annotation is SecretStr


def example() -> str:
    """The whole of .env.example."""
    parts = [_HEADER]
    for heading, names in groups().items():
        parts.append(f"\n# {f'--- {heading} '.ljust(WIDTH - 2, '-')}\n")
        parts += [
            f"\n{_comment(_meaning(name))}# {name.upper()}={default(name)}\n" for name in names
        ]
    return "".join(parts)


def settings_tables() -> str:
    """A heading and a table for each group of settings."""
    parts = []
    for heading, names in groups().items():
        rows = [
            (f"`{name.upper()}`", _code(default(name)), _meaning(name), "yes" * is_secret(name))
            for name in names
        ]
        parts.append(f"### {heading}\n\n" + _table(("name", "default", "meaning", "secret"), rows))
    return "\n".join(parts)


def series() -> list[MetricWrapperBase]:
    """All metrics, in the order of their declaration."""
    return [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]


def metrics_table() -> str:
    """One table of all metrics."""
    rows = [
        (
            f"`{_exposed(one)}`",
            one._type,
            ", ".join(f"`{label}`" for label in one._labelnames),
            one._documentation,
        )
        for one in series()
    ]
    return _table(("name", "type", "labels", "meaning"), rows)


def placed(document: Path, text: str) -> str:
    """The document with this text between its two marks."""
    before, begin, rest = document.read_text(encoding="utf-8").partition("<!-- generated -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    assert begin, f"{document.name} has no mark for the beginning of what is generated"
    assert end, f"{document.name} has no mark for the end of what is generated"
    return f"{before}{begin}\n{text}\n{end}{after}"


def written() -> dict[Path, str]:
    """The files, as they ought to be."""
    return {
        EXAMPLE: example(),
        CONFIGURATION: placed(CONFIGURATION, settings_tables()),
        METRICS: placed(METRICS, metrics_table()),
    }


def _meaning(name: str) -> str:
    return _FIELDS[name].description or ""


def _exposed(metric: MetricWrapperBase) -> str:
    if isinstance(metric, Counter):
        return f"{metric._name}_total"
    return f"{metric._name}_bucket, _sum, _count" if isinstance(metric, Histogram) else metric._name


def _code(text: str) -> str:
    return f"`{text}`".replace(",", ", ") if text else ""


def _comment(text: str) -> str:
    lines, line = [], _INDENT
    for word in text.split():
        if len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = _INDENT
        line += f" {word}"
    return "\n".join([*lines, line, ""])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    for path, content in written().items():
        path.write_text(content, encoding="utf-8")
