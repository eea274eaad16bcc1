"""Chains of checks."""

import time

import pytest

from langfast_wsgi.cli import advice
from langfast_wsgi.cli.steps import Finding, Mark, NotDone, Step, Wrong, findings, skipped
from langfast_wsgi.errors import BadRequest, SessionRefused


def fails_with(error: BaseException) -> "Step":
    def check() -> str:
        raise error

    return Step("first", check, 5)


def fine(name: str = "second") -> Step:
    return Step(name, lambda: "fine", 5)


def test_what_was_found_is_told_in_order() -> None:
    assert list(findings([fine("a"), fine("b")])) == [
        Finding(Mark.PASSED, "a", "fine"),
        Finding(Mark.PASSED, "b", "fine"),
    ]


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (Wrong("bad", "mend it"), Finding(Mark.FAILED, "first", "bad", "mend it")),
        (NotDone("no need"), Finding(Mark.SKIPPED, "first", "skipped: no need")),
        (
            SessionRefused("Refused."),
            Finding(
                Mark.FAILED,
                "first",
                "Refused. (upstream_auth_error)",
                advice.ADVICE[SessionRefused],
            ),
        ),
        (BadRequest("No."), Finding(Mark.FAILED, "first", "No.", advice.ADVICE[BadRequest])),
        (
            KeyError("a secret"),
            Finding(Mark.FAILED, "first", "the check itself failed: KeyError", advice.UNKNOWN),
        ),
    ],
)
def test_a_check_that_does_not_pass_says_why_and_ends_its_chain(
    error: BaseException, finding: Finding
) -> None:
    rest = Finding(Mark.SKIPPED, "second", "skipped: it needs first")
    assert list(findings([fails_with(error), fine()])) == [finding, rest]


def test_the_chain_goes_on_without_what_it_does_not_need() -> None:
    def check() -> str:
        raise NotDone("never mind")

    found = list(findings([Step("first", check, 5, needed=False), fine()]))
    assert [one.mark for one in found] == [Mark.SKIPPED, Mark.PASSED]


def test_a_check_that_hangs_is_given_up() -> None:
    begun = time.monotonic()
    (found,) = findings([Step("slow", lambda: time.sleep(5) or "", 0.1)])
    assert time.monotonic() - begun < 2
    assert (found.mark, found.text) == (Mark.FAILED, "no result within 0.1 s")


def test_a_finding_is_told_before_the_next_check_begins() -> None:
    begun: list[str] = []
    chain = findings([fine("a"), Step("b", lambda: begun.append("b") or "", 5)])
    next(chain)
    assert begun == []
    next(chain)
    assert begun == ["b"]


def test_checks_that_cannot_be_begun_are_named_all_the_same() -> None:
    assert list(skipped(["a", "b"], "it needs more")) == [
        Finding(Mark.SKIPPED, "a", "skipped: it needs more"),
        Finding(Mark.SKIPPED, "b", "skipped: it needs more"),
    ]
