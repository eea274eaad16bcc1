"""The catalogue's report: which rows a test is named for, and what becomes of them."""

import re

import pytest

from tests.faults import catalogue
from tests.faults.catalogue import GREEN, MISSING, RED, SKIPPED, rows_of
from tests.faults.rows import ROWS
from tests.support.gateway import ROOT

FILE = "tests/system/test_x.py"


def test_there_are_122_rows() -> None:
    assert len(ROWS) == 122
    counts = {letter: sum(row[0] == letter for row in ROWS) for letter in "ABCDE"}
    assert counts == {"A": 21, "B": 15, "C": 30, "D": 20, "E": 36}


def test_the_page_lists_them_all_in_the_same_words() -> None:
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| ([A-E]\d+) \| (.*) \|$", page, re.MULTILINE)) == ROWS


def test_no_row_is_without_a_test() -> None:
    rows = catalogue.table(catalogue.collected(), None)
    assert [row.id for row in rows if row.state == MISSING] == []


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("test_b4_a_quota_answer_is_final", "B4"),
        ("test_C6_a_lost_socket", "C6"),
        ("test_c5_c6_c8_a_lost_socket", "C5 C6 C8"),
        ("test_a6_to_a8_a_refused_sign_up", "A6 A7 A8"),
        ("test_b8_and_b9_what_may_pass", "B8 B9"),
        ("test_a1_c4_to_c6_e36", "A1 C4 C5 C6 E36"),
        ("test_refused[e17-obs-fold]", "E17"),
        ("test_e14_refused[e14_duplicate-length]", "E14"),
        ("test_decoded[b64-e1]", ""),
        ("test_the_answer_to_c5", ""),
        ("test_to_b4", ""),
    ],
)
def test_a_test_belongs_to_the_rows_that_its_name_begins_with(name: str, rows: str) -> None:
    assert rows_of(f"{FILE}::{name}") == tuple(rows.split())


def test_a_row_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="C31"):
        rows_of(f"{FILE}::test_c31_something_else")


def test_states_come_from_the_results() -> None:
    names = ["test_a1_good", "test_a1_bad", "test_b1_good", "test_c1_skipped[x.y]", "test_d1_lost"]
    tests = [f"{FILE}::{name}" for name in names]
    xml = """<testsuites><testsuite>
      <testcase classname="tests.system.test_x" name="test_a1_good"/>
      <testcase classname="tests.system.test_x" name="test_a1_bad"><failure/></testcase>
      <testcase classname="tests.system.test_x" name="test_b1_good"/>
      <testcase classname="tests.system.test_x" name="test_c1_skipped[x.y]"><skipped/></testcase>
    </testsuite></testsuites>"""
    rows = {row.id: row.state for row in catalogue.table(tests, catalogue.read_results(xml))}
    assert (rows["A1"], rows["B1"], rows["C1"], rows["D1"]) == (RED, GREEN, SKIPPED, RED)
    assert rows["E1"] == MISSING


def test_a_class_is_found_again() -> None:
    node_id = "tests/unit/test_x.py::TestRows::test_a1_good[p::q]"
    assert catalogue.key(node_id) == "tests.unit.test_x.TestRows::test_a1_good[p::q]"


def test_the_table_names_what_is_missing_and_counts_what_is_green() -> None:
    test = f"{FILE}::test_a1_good"
    rows = catalogue.table([test], {catalogue.key(test): GREEN})
    lines = catalogue.text(rows).splitlines()
    assert lines[0].startswith("A1  green")
    assert "test_x::test_a1_good" in lines[0]
    assert lines[1].startswith("A2  missing")
    assert lines[-2].startswith("missing: 121 (A2 A3 ")
    assert lines[-1] == "1 of 122 with a green test"
