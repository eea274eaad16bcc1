"""The tree of faults."""

import inspect

import pytest

from langfast_wsgi import errors
from langfast_wsgi.errors import (
    BadRequest,
    CallerError,
    GatewayError,
    NoCredentials,
    OwnError,
    QuotaExhausted,
    RateLimited,
    SessionLost,
    StartRefused,
    UpstreamError,
    UpstreamSilent,
)

LEAVES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, GatewayError)
    and kind not in (GatewayError, CallerError, OwnError, UpstreamError)
]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_the_picture_in_the_docstring_names_each_fault_with_its_status(
    kind: type[GatewayError],
) -> None:
    drawn = [line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in line]
    assert len(drawn) == 1
    assert str(kind.status) in drawn[0]


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_every_fault_has_a_message_a_code_and_somebody_at_fault(kind: type[GatewayError]) -> None:
    fault = kind("words")
    assert str(fault) == fault.message == "words"
    assert issubclass(kind, CallerError | OwnError | UpstreamError)
    assert (fault.code is None) == (kind is BadRequest)
    assert 400 <= fault.status < 600


def test_no_fault_of_the_upstream_is_a_401_or_403() -> None:
    assert not {k.status for k in LEAVES if issubclass(k, UpstreamError)} & {401, 403}


@pytest.mark.parametrize("kind", LEAVES, ids=lambda kind: kind.__name__)
def test_a_retry_never_helps_a_caller_that_is_at_fault(kind: type[GatewayError]) -> None:
    if issubclass(kind, CallerError):
        assert kind("x").retry is False


@pytest.mark.parametrize("kind", [QuotaExhausted, SessionLost, UpstreamSilent])
def test_what_may_have_been_spent_is_not_to_be_retried(kind: type[GatewayError]) -> None:
    assert kind("x").retry is False


def test_an_instance_may_differ_from_its_class() -> None:
    fault = StartRefused("x", code="other", param="p", retry_after=3, retry=True)
    assert (fault.code, fault.param, fault.retry_after, fault.retry) == ("other", "p", 3, True)
    assert SessionLost("x", retry=True).retry is True


def test_a_bad_request_may_have_no_code_at_all() -> None:
    assert BadRequest("x").code is None
    assert BadRequest("x", code="c", param="p").code == "c"


@pytest.mark.parametrize(
    "fault",
    [
        RateLimited("slow", retry_after=9),
        StartRefused("no", code="upstream_auth_error", retry=False),
        BadRequest("bad", code="c", param="p"),
        NoCredentials("none"),
    ],
    ids=repr,
)
def test_the_same_fault_for_another_caller_has_its_own_traceback(fault: GatewayError) -> None:
    try:
        raise fault
    except GatewayError:
        other = fault.again(2.5)
    assert type(other) is type(fault)
    assert other is not fault
    assert other.__traceback__ is None
    assert (other.message, other.code, other.param) == (fault.message, fault.code, fault.param)
    assert (other.retry, other.retry_after) == (fault.retry, 2.5)
