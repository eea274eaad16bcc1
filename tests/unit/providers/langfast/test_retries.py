"""The retry budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.providers.langfast.retries import TOKENS, RetryBudget


def test_a_full_bucket_serves_the_first_failures() -> None:
    budget = RetryBudget()
    taken = 0
    for _ in range(20):
        budget.pay_in()
        taken += budget.take()
    assert TOKENS == 10
    assert taken == 10, repr(budget)


def test_eleven_requests_without_a_retry_pay_for_one() -> None:
    budget = RetryBudget()
    while budget.take():
        pass
    paid = 0
    while not budget.take():
        budget.pay_in()
        paid += 1
    assert paid <= 11
    assert not budget.take()


def test_nothing_is_saved_beyond_the_bucket() -> None:
    budget = RetryBudget()
    for _ in range(10_000):
        budget.pay_in()
    assert sum(budget.take() for _ in range(100)) <= TOKENS


def test_its_repr_is_one_line() -> None:
    assert repr(RetryBudget()) == "<RetryBudget 10.0 of 10>"


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40).map(
        lambda wishes: (wishes * (1000 // len(wishes) + 1))[:1000]
    )
)
@settings(max_examples=200, deadline=None)
def test_p4_a_thousand_requests_make_no_more_than_eleven_hundred_starts(wishes: list[int]) -> None:
    """``wishes``: how many second attempts each request would like to make."""
    budget = RetryBudget()
    starts = 0
    for wish in wishes:
        budget.pay_in()
        starts += 1
        for _ in range(wish):
            starts += budget.take()
    assert starts <= 1.1 * len(wishes)
