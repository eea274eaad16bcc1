"""Checks of this machine: the settings, the libraries, the tokenizer."""

import importlib.util
import platform
import sys
from collections.abc import Sequence
from importlib import metadata

from packaging.requirements import Requirement

from langfast_wsgi import exposure
from langfast_wsgi.cli import address, advice
from langfast_wsgi.cli.steps import NotDone, Step, Wrong
from langfast_wsgi.settings import Settings
from langfast_wsgi.stages import tokenizer

DISTRIBUTION = "langfast_wsgi"
SHOWN = ("flask", "gunicorn", "gevent", "requests", "python-socketio")
TOKENIZER = "rs-bpe"
_LIMIT = 30.0  # the tokenizer reads its table from disk


def steps() -> list[Step]:
    """What can be looked at without any settings."""
    return [
        Step("versions", versions, _LIMIT, needed=False),
        Step("tokenizer", tokens, _LIMIT, needed=False),
    ]


def described(settings: Settings) -> str:
    """The settings in a few words. Raises Wrong where the service would refuse to start."""
    host = settings.bind.rpartition(":")[0]
    danger = exposure.danger(settings, host)
    if danger:
        raise Wrong(exposure.sentence(danger, host), advice.by_code(danger))
    keys = len(settings.api_keys)
    who = f"{keys} API key{'s' if keys > 1 else ''}" if keys else "open API, no key"
    return f"valid; {_upstream(settings)}; {who}"


def _upstream(settings: Settings) -> str:
    if settings.embedded:
        return "the embedded emulator is the upstream"
    where = f"upstream {address.shown(settings.supabase_url)}"
    if settings.upstream_email:
        return f"{where} with an account of one's own, by password"
    if settings.own_account:
        return f"{where} with an account of one's own, by refresh token"
    return f"{where} with anonymous accounts"


def versions() -> str:
    """Whether what is installed is what the package asks for."""
    python = f"Python {platform.python_version()}"
    try:
        wanted = _requirements()
    except metadata.PackageNotFoundError:
        raise NotDone(f"{python}; the package is not installed, so nothing to compare") from None
    unfit = [sentence for one in wanted if (sentence := _unfit(one))]
    if unfit:
        raise Wrong(f"{python}, but " + "; ".join(unfit), advice.by_code("versions"))
    return ", ".join([python, *(f"{name} {metadata.version(name)}" for name in SHOWN)])


def _requirements() -> Sequence[Requirement]:
    """What holds for this Python, without the extras."""
    lines = (Requirement(line) for line in metadata.requires(DISTRIBUTION) or ())
    return [one for one in lines if one.marker is None or one.marker.evaluate({"extra": ""})]


def _unfit(wanted: Requirement) -> str:
    if wanted.name == TOKENIZER:  # has a line of its own
        return ""
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is missing"
    if wanted.specifier.contains(found, prereleases=True):
        return ""
    return f"{wanted.name} {found} is not {wanted.specifier}"


def tokens() -> str:
    """Whether usage is counted with a real tokenizer."""
    if importlib.util.find_spec("rs_bpe") is not None:
        tokenizer.load()
        return f"o200k_base, {TOKENIZER} {metadata.version(TOKENIZER)}"
    if sys.version_info >= (3, 14):
        raise NotDone("none is built for this Python yet, so usage is estimated")
    raise Wrong("there is none, so usage is estimated", advice.by_code("no_tokenizer"))
