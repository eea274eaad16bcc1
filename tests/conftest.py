"""For all tests: the order in which files are handed out."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
# Files that take longest come first, so that no process is left with one of them at the end, when
# the others have nothing more to do.
FIRST = (
    "system/test_fault_programmes.py",
    "clients",
    "system/test_conformance.py",
    "integration/conformance",
    "system",
    "integration",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort; what is equal stays as it was."""
    items.sort(key=lambda item: _place(item.path.relative_to(ROOT).as_posix()))


def _place(path: str) -> int:
    found = (number for number, name in enumerate(FIRST) if path.startswith(name))
    return next(found, len(FIRST))
