"""Coding agents as their users start them: once, without a terminal, on a folder of their own.

In texts ``$api`` is the base URL with ``/v1``, ``$url`` the one without, ``$key`` the key. Each is
told to check for no updates and to send nothing home; where it runs, nothing can be reached anyway.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROMPT = "Make the file made.txt"
COMMAND = "echo made > made.txt; cat made.txt"


@dataclass(frozen=True)
class CodingAgent:
    """One agent: where it is, how it is started, and the tool by which it runs a command."""

    name: str
    program: str  # below its folder's node_modules
    arguments: tuple[str, ...]
    tool: str
    given: dict[str, object]
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # in its home
    folder: str = "agents"

    @property
    def command(self) -> tuple[str, ...]:
        """Programs for Node have the guard before them; it sees what they do alone."""
        modules = FOLDER / self.folder / "node_modules"
        guarded = ("node", "--import", str(FOLDER / "loopback_only.mjs"))
        started = () if self.folder == "heavy" else guarded
        return (*started, str(modules / self.program), *self.arguments)

    @property
    def replies(self) -> str:
        """The emulator's part: the tool is called, then what it returned is reported."""
        call = json.dumps({"name": self.tool, "arguments": self.given})
        rules = [
            {"match": "<tool_response", "reply": "It says: {result}"},
            {"match": PROMPT, "reply": f"<tool_call>{call}</tool_call>"},
        ]
        return json.dumps(rules)


_CONTINUE = """
name: langfast
version: 1.0.0
schema: v1
models:
  - name: langfast
    provider: openai
    model: auto
    apiBase: $api
    apiKey: $key
    roles: [chat]
"""

_QWEN = """
{
  "security": {"auth": {"selectedType": "openai"}},
  "general": {"enableAutoUpdate": false, "disableAutoUpdate": true, "disableUpdateNag": true},
  "privacy": {"usageStatisticsEnabled": false}
}
"""

_CODEX = """
model = "auto"
model_provider = "langfast"
check_for_update_on_startup = false
approval_policy = "never"
sandbox_mode = "danger-full-access"
web_search = "disabled"

[agents]
enabled = false

[analytics]
enabled = false

[model_providers.langfast]
name = "langfast"
base_url = "$api"
env_key = "LANGFAST_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""

_OPENCODE = """
{
  "autoupdate": false,
  "share": "disabled",
  "model": "langfast/auto",
  "permission": {"bash": "allow"},
  "provider": {
    "langfast": {
      "npm": "@ai-sdk/openai-compatible",
      "options": {"baseURL": "$api", "apiKey": "$key"},
      "models": {"auto": {}}
    }
  }
}
"""

_CLINE = """
{
  "version": 1,
  "lastUsedProvider": "openai-compatible",
  "modes": {},
  "providers": {
    "openai-compatible": {
      "settings": {
        "provider": "openai-compatible", "apiKey": "$key", "model": "auto", "baseUrl": "$api"
      },
      "updatedAt": "2026-01-01T00:00:00.000Z",
      "tokenSource": "manual"
    }
  }
}
"""

_DESCRIBED = {"command": COMMAND, "description": "Makes the file"}

LIGHT = (
    CodingAgent(
        "Continue",
        "@continuedev/cli/dist/cn.js",
        ("-p", PROMPT, "--config", "../config.yaml", "--allow", "Bash"),
        "Bash",
        {"command": COMMAND},
        # It asks for its newest version whatever it is told; see loopback_only.mjs.
        {"CONTINUE_METRICS_ENABLED": "0", "EXPECTED_REFUSALS": "api.continue.dev"},
        {"config.yaml": _CONTINUE},
    ),
    CodingAgent(
        "Qwen Code",
        "@qwen-code/qwen-code/cli.js",
        ("-p", PROMPT, "--approval-mode", "yolo"),
        "run_shell_command",
        {"command": COMMAND, "is_background": False},
        {"OPENAI_BASE_URL": "$api", "OPENAI_API_KEY": "$key", "OPENAI_MODEL": "auto"},
        {".qwen/settings.json": _QWEN},
    ),
)

HEAVY = (
    CodingAgent(
        "Claude Code",
        "@anthropic-ai/claude-code-linux-x64/claude",
        ("-p", PROMPT, "--allowedTools", "Bash"),
        "Bash",
        _DESCRIBED,
        {
            "ANTHROPIC_BASE_URL": "$url",
            "ANTHROPIC_API_KEY": "$key",
            "ANTHROPIC_MODEL": "auto",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "auto",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        folder="heavy",
    ),
    CodingAgent(
        "Cline",
        "@cline/cli-linux-x64/bin/cline",
        ("-P", "openai-compatible", "-m", "auto", PROMPT),
        "run_commands",
        {"commands": [COMMAND]},
        {"CLINE_TELEMETRY_DISABLED": "1"},
        {".cline/data/settings/providers.json": _CLINE},
        folder="heavy",
    ),
    CodingAgent(
        "Codex",
        "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        ("exec", "--skip-git-repo-check", PROMPT),
        "exec_command",
        {"cmd": COMMAND},
        {"LANGFAST_KEY": "$key"},
        {".codex/config.toml": _CODEX},
        folder="heavy",
    ),
    CodingAgent(
        "opencode",
        "opencode-linux-x64/bin/opencode",
        ("run", PROMPT),
        "bash",
        _DESCRIBED,
        {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
        {".config/opencode/opencode.json": _OPENCODE},
        folder="heavy",
    ),
)

AGENTS = {agent.name: agent for agent in (*LIGHT, *HEAVY)}
