"""Coding agents as programs: each runs one shell command that the emulator's model asks for.

Four of them are hundreds of megabytes large and are tried on request alone: ``AGENTS=all``.
"""

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.clients.node.coding_agents import AGENTS, FOLDER, HEAVY, LIGHT
from tests.clients.node.program import Facts, needs_clients, told
from tests.support.gateway import ROOT

_SECONDS = 110
ALL = (*LIGHT, *HEAVY) if os.environ.get("AGENTS") == "all" else LIGHT


@cache
def played(name: str) -> Facts:
    """What became of it, in a process that is set apart from the network."""
    needs_clients(FOLDER / AGENTS[name].folder)
    done = subprocess.run(
        (sys.executable, "-m", "tests.clients.node.agent_run", name),
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return told(done.stdout)


@pytest.fixture(params=[agent.name for agent in ALL])
def facts(request: pytest.FixtureRequest) -> Facts:
    return played(request.param)


def test_an_agent_runs_the_command_and_reports_what_it_printed(facts: Facts) -> None:
    seen = facts.value("played")
    assert seen["code"] == 0, seen
    assert seen["made"] == "made\n", seen
    assert "It says: " in seen["output"]


def test_an_agents_runs_are_all_complete_and_none_is_left(facts: Facts) -> None:
    seen = facts.value("played")
    assert len(seen["runs"]) >= 2, "one for the call, one for the report"
    assert set(seen["runs"]) == {"completed"}
    assert seen["in_flight"] == 0


def test_an_agent_with_a_wrong_key_says_so_and_does_nothing(facts: Facts) -> None:
    seen = facts.value("wrong key")
    told = seen["output"] + seen["errors"]
    assert "401" in told or "API key" in told, seen
    assert seen["made"] is None
    assert seen["runs"] == []
