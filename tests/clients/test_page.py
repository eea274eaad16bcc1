"""docs/clients.md says which versions were run, and each client has a recipe there."""

import re
from importlib.metadata import version

import pytest

from tests.clients.python.program import FOLDER

PAGE = (FOLDER.parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| \[(?P<name>[^]]+)\]\(#(?P<anchor>[\w-]+)\).*? \| (?P<versions>[^|]+) \| ", re.M
)
ROWS = {row["name"]: row for row in ROW.finditer(PAGE)}
PACKAGES = {
    "anthropic": "anthropic",
    "instructor": "instructor",
    "langchain-openai": "langchain-openai",
    "litellm": "litellm",
    "llm": "llm",
    "openai-agents": "openai-agents",
    "openai-python": "openai",
    "pydantic-ai": "pydantic-ai-slim",
}


def locked(package: str) -> set[str]:
    """Its versions in all lock files."""
    pinned = re.compile(rf"^{re.escape(package)}==(\S+)", re.M)
    return {found for lock in FOLDER.glob("*.txt") for found in pinned.findall(lock.read_text())}


@pytest.mark.parametrize("name", PACKAGES)
def test_the_versions_are_those_of_the_locks(name: str) -> None:
    assert set(ROWS[name]["versions"].split(", ")) == locked(PACKAGES[name])


def test_the_projects_own_openai_package_is_one_of_those() -> None:
    assert version("openai") in locked("openai")


def test_each_client_has_a_recipe() -> None:
    headings = re.findall(r"^### (.+)$", PAGE, re.M)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    assert len(ROWS) > 20
    assert {row["anchor"] for row in ROWS.values()} == anchors


def test_no_lock_names_a_host() -> None:
    for file in (*FOLDER.glob("*.txt"), *FOLDER.glob("*.in")):
        assert "://" not in file.read_text(), file.name
