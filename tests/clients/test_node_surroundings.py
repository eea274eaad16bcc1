"""What a JavaScript client may reach, and that the page of clients names what was run."""

import json

import pytest

from tests.clients.node.program import FOLDER, run_program
from tests.support.gateway import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text()
REFUSED = r"refused to reach: (telemetry\.example|192\.0\.2\.1)\n"
PINS = {
    name: version.rpartition("@")[2].removesuffix("-linux-x64")
    for folder in (FOLDER, FOLDER / "agents", FOLDER / "heavy")
    for name, version in json.loads((folder / "package.json").read_text())["dependencies"].items()
}
ROWS = {
    "ai": "AI SDK",
    "@anthropic-ai/sdk": "@anthropic-ai/sdk",
    "@langchain/openai": "@langchain/openai",
    "@openai/agents": "@openai/agents",
    "openai": "openai-node",
    "@continuedev/cli": "Continue",
    "@qwen-code/qwen-code": "Qwen Code",
    "@anthropic-ai/claude-code-linux-x64": "Claude Code",
    "@cline/cli-linux-x64": "Cline",
    "@openai/codex-linux-x64": "Codex",
    "opencode-linux-x64": "opencode",
}


HOWS = [
    "fetch",
    "fetch an address",
    "connect",
    "look up",
    "look up by promise",
    "resolve",
    "send a datagram",
]


@pytest.mark.parametrize("how", HOWS)
def test_a_client_that_wants_more_than_loopback_fails_its_test(how: str) -> None:
    with pytest.raises(AssertionError, match=REFUSED):
        run_program("wanting_more.mjs", "-", "-", how)


@pytest.mark.parametrize("package", ROWS)
def test_the_page_names_the_version_that_is_run(package: str) -> None:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| [{ROWS[package]}](")]
    assert row.split(" | ")[1] == PINS[package]


@pytest.mark.parametrize("package", [name for name in PINS if name.startswith("@ai-sdk/")])
def test_the_page_names_the_versions_of_the_ai_sdks_providers(package: str) -> None:
    assert f"`{package}` {PINS[package]}" in PAGE
