"""The page about the emulator names everything that the code offers."""

from pathlib import Path

import pytest

from langfast_wsgi.emulator import control
from langfast_wsgi.emulator.counters import Counters
from langfast_wsgi.emulator.faults.names import ALL_FAULTS
from langfast_wsgi.emulator.faults.switchboard import BODIES, KEYS, SERVICES, SHAPES
from langfast_wsgi.emulator.options import parser
from langfast_wsgi.emulator.replies.models import MODELS
from langfast_wsgi.emulator.replies.steering import TABLE
from langfast_wsgi.emulator.sockets.channels import HOWS

_PAGE = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text("utf-8")
_OPTIONS = [name for action in parser()._actions for name in action.option_strings]
_SWITCHED = [*SERVICES, *KEYS, *BODIES, *SHAPES]
_NAMES = [*ALL_FAULTS, *MODELS, *TABLE, *HOWS, *_SWITCHED, *Counters().as_json()]


@pytest.mark.parametrize("name", _NAMES)
def test_every_name_is_explained(name: str) -> None:
    assert f"`{name}`" in _PAGE


@pytest.mark.parametrize("option", [name for name in _OPTIONS if name not in ("-h", "--help")])
def test_every_option_is_explained(option: str) -> None:
    assert f"`{option}" in _PAGE


@pytest.mark.parametrize(
    "path",
    [
        "/emulator/stats",
        "/emulator/runs",
        "/emulator/history",
        "/emulator/faults",
        "/emulator/sockets/drop",
        "/emulator/tokens/expire",
        "/emulator/tokens/revoke",
        "/emulator/elsewhere",
    ],
)
def test_every_control_route_is_listed_where_it_is_made_and_on_the_page(path: str) -> None:
    assert path in (control.__doc__ or "")
    assert path in _PAGE
