"""docs/conformance.md agrees with the checks."""

from tests.integration.conformance import check_table


def test_the_table_of_checks_is_that_of_the_code() -> None:
    assert check_table.PAGE.read_text(encoding="utf-8") == check_table.page(), (
        "write it anew: .venv/bin/python -m tests.integration.conformance.check_table"
    )


def test_no_text_breaks_its_cell() -> None:
    rows = [line for line in check_table.tables().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {5}
