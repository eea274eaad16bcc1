"""What the answer to a start call means: upstream.md §1.6 and faults.md B1-B13, as a table."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.errors import (
    BadRequest,
    ContentFiltered,
    GatewayError,
    PromptTooLong,
    QuotaExhausted,
    RateLimited,
    StartRefused,
    TooLarge,
    UpstreamGarbled,
    UpstreamSilent,
    UpstreamUnreachable,
)
from langfast_wsgi.providers.langfast.verdict import (
    QUOTA_REST,
    RATE_REST,
    REFUSED_REST,
    Refusal,
    accepted,
    cut,
    garbled,
    refused,
    too_late,
    unreachable,
)


def judged(status: int, body: object = b"", **headers: str) -> Refusal:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused(status, {name.replace("_", "-"): v for name, v in headers.items()}, content)


# --- accepted


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        ({"run_id": "r", "jobs": [{"job_id": "j"}]}, "j"),
        ({"jobs": [{"job_id": "j"}]}, "j"),
        ({"jobs": [{"job_id": "j1"}, {"job_id": "j2"}]}, "j1"),  # B12
        ({"run_id": "r"}, None),
        ({"run_id": "r", "jobs": None}, None),
    ],
)
def test_b12_an_accepted_start_names_its_first_job_or_none(
    body: object, job_id: str | None
) -> None:
    assert accepted(json.dumps(body).encode()) == job_id


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"jobs": None},
        {"run_id": 7},
        {"run_id": "r", "jobs": []},
        {"run_id": "r", "jobs": {}},
        {"run_id": "r", "jobs": "j"},
        {"run_id": "r", "jobs": ["j"]},
        {"run_id": "r", "jobs": [{}]},
        {"run_id": "r", "jobs": [{"job_id": None}]},
        {"run_id": "r", "jobs": [{"job_id": ""}]},
        {"run_id": "r", "jobs": [{"job_id": 7}]},
        [],
        None,
        "run",
    ],
    ids=repr,
)
def test_b11_an_accepted_start_of_another_shape_is_garbled(body: object) -> None:
    with pytest.raises(UpstreamGarbled) as caught:
        accepted(json.dumps(body).encode())
    assert caught.value.code == "upstream_bad_response"


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"jobs": [', b"\xff"])
def test_b11_an_accepted_start_that_is_no_json_is_garbled(content: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        accepted(content)


# --- refused

QUOTA_CODE = {"code": "quota_exceeded"}


@pytest.mark.parametrize(
    ("refusal", "kind", "code", "status", "again", "rest", "retry", "retry_after"),
    [
        # B1, B2: it is our own account that they refuse, never the caller's key
        (judged(401), StartRefused, "upstream_auth_error", 502, "refreshed", 60.0, False, None),
        (
            judged(401, {"code": 401, "message": "Invalid JWT"}),
            StartRefused,
            "upstream_auth_error",
            502,
            "refreshed",
            REFUSED_REST,
            False,
            None,
        ),
        (judged(403), StartRefused, "upstream_forbidden", 502, "", 60.0, False, None),
        # B3, B4: quota
        (judged(402), QuotaExhausted, "insufficient_quota", 429, "", QUOTA_REST, False, None),
        (
            judged(402, retry_after="30"),
            QuotaExhausted,
            "insufficient_quota",
            429,
            "",
            30.0,
            False,
            None,
        ),
        (
            judged(429, retry_after="61"),
            QuotaExhausted,
            "insufficient_quota",
            429,
            "",
            61.0,
            False,
            None,
        ),
        (
            judged(429, QUOTA_CODE),
            QuotaExhausted,
            "insufficient_quota",
            429,
            "",
            3600.0,
            False,
            None,
        ),
        (
            judged(429, {"error": {"code": "Monthly_QUOTA"}}, retry_after="7"),
            QuotaExhausted,
            "insufficient_quota",
            429,
            "",
            7.0,
            False,
            None,
        ),
        (
            judged(429, {"error": "exceeded_quota"}),
            QuotaExhausted,
            "insufficient_quota",
            429,
            "",
            3600.0,
            False,
            None,
        ),
        # B5: rate
        (judged(429), RateLimited, "rate_limit_exceeded", 429, "", RATE_REST, None, RATE_REST),
        (
            judged(429, retry_after="60"),
            RateLimited,
            "rate_limit_exceeded",
            429,
            "",
            60.0,
            None,
            60.0,
        ),
        (judged(429, retry_after="0"), RateLimited, "rate_limit_exceeded", 429, "", 1.0, None, 1.0),
        (
            judged(429, {"code": "too_fast"}, retry_after="2.5"),
            RateLimited,
            "rate_limit_exceeded",
            429,
            "",
            2.5,
            None,
            2.5,
        ),
        # B7, B13
        (judged(404), StartRefused, "upstream_misconfigured", 502, "", 0.0, False, None),
        (judged(302), UpstreamGarbled, "upstream_bad_response", 502, "", 0.0, None, None),
        (judged(201), UpstreamGarbled, "upstream_bad_response", 502, "", 0.0, None, None),
        # B8, B9: may pass
        (judged(500), StartRefused, "upstream_error", 502, "same", 0.0, None, None),
        (judged(502), StartRefused, "upstream_error", 502, "same", 0.0, None, None),
        (judged(503), UpstreamUnreachable, "upstream_unavailable", 503, "same", 0.0, None, 5),
        # B10: nobody knows whether the run was spent
        (judged(504), UpstreamSilent, "upstream_timeout", 504, "", 0.0, False, None),
        (judged(522), UpstreamSilent, "upstream_timeout", 504, "", 0.0, False, None),
        (judged(524), UpstreamSilent, "upstream_timeout", 504, "", 0.0, False, None),
        (judged(546), StartRefused, "upstream_error", 502, "", 0.0, None, None),
        (judged(520), StartRefused, "upstream_error", 502, "", 0.0, None, None),
        (judged(418), StartRefused, "upstream_error", 502, "", 0.0, None, None),
    ],
)
def test_b1_to_b10_a_refused_start_as_a_table(
    refusal: Refusal,
    kind: type[GatewayError],
    code: str,
    status: int,
    again: str,
    rest: float,
    retry: bool | None,
    retry_after: float | None,
) -> None:
    fault = refusal.fault
    assert type(fault) is kind
    assert (fault.code, fault.status) == (code, status)
    assert (fault.retry, fault.retry_after) == (retry, retry_after)
    assert (refusal.again, refusal.rest) == (again, rest)


@pytest.mark.parametrize(
    ("refusal", "blame"),
    [
        (judged(401), "account"),
        (judged(403), "account"),
        (judged(402), ""),
        (judged(402, {"code": "insufficient_credits"}), ""),
        (judged(402, {"code": "exceeded_egress_quota"}), "project"),
        (judged(402, {"code": "overdue_payment"}), "project"),
        (judged(429, {"code": "exceeded_quota"}), ""),
        (judged(429), ""),
        (judged(400), ""),
        (judged(413), ""),
        (judged(422), ""),
        (judged(400, {"code": "context_length_exceeded"}), ""),
        (judged(400, {"code": "content_filter"}), ""),
        (judged(404), "setup"),
        (judged(302), "unclear"),
        (judged(201), "unclear"),
        (judged(418), ""),
        *((judged(status), "upstream") for status in (500, 502, 503, 504, 520, 522, 524, 546)),
        (too_late(), "upstream"),
        (unreachable(), "upstream"),
        (cut(), "upstream"),
        (garbled(), "unclear"),
    ],
)
def test_p5_what_a_refusal_speaks_against(refusal: Refusal, blame: str) -> None:
    assert refusal.blame == blame


@pytest.mark.parametrize(("asked", "rest"), [(None, 300.0), ("30", 300.0), ("900", 900.0)])
def test_b3_a_restricted_project_is_a_quota_and_rests_five_minutes_or_as_told(
    asked: str | None, rest: float
) -> None:
    told = {} if asked is None else {"retry_after": asked}
    refusal = judged(402, {"code": "exceeded_db_size_quota"}, **told)
    assert isinstance(refusal.fault, QuotaExhausted)
    assert (refusal.rest, refusal.fault.retry, refusal.fault.retry_after) == (rest, False, None)


def test_b7_a_function_whose_code_is_not_at_hand_may_be_there_in_a_moment() -> None:
    refusal = judged(404, {"code": "NOT_FOUND_FUNCTION_BLOB"})
    assert (refusal.again, refusal.fault.code) == ("same", "upstream_misconfigured")


@pytest.mark.parametrize("given", ["soon", "-1", "", "nan", "Wed, 99 Oct 2026 07:28:00 GMT"])
def test_a_retry_after_that_is_no_sensible_number_counts_as_none(given: str) -> None:
    refusal = judged(429, retry_after=given)
    assert isinstance(refusal.fault, RateLimited)
    assert refusal.rest == RATE_REST


@pytest.mark.parametrize("given", ["99999999", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_very_long_retry_after_is_obeyed_for_a_month_and_not_taken_for_none(given: str) -> None:
    refusal = judged(429, retry_after=given)
    assert isinstance(refusal.fault, QuotaExhausted)
    assert refusal.rest == 30 * 86400


def test_a_retry_after_may_be_a_date_in_any_near_future() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    refusal = judged(429, retry_after=soon)
    assert isinstance(refusal.fault, RateLimited)
    assert 17 < refusal.rest <= 20


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "too\nlong"}, "too long"),
        ({"msg": "too long"}, "too long"),
        ({"error": "too long"}, "too long"),
        ({"error": {"message": "too long"}}, "too long"),
        ({"message": "x" * 600}, "x" * 499 + "…"),
        ({"message": 7}, "The upstream refused the prompt."),
        ({"error": {"message": 7}}, "The upstream refused the prompt."),
        ({}, "The upstream refused the prompt."),
        ([], "The upstream refused the prompt."),
        (b"<html>", "The upstream refused the prompt."),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_b6_a_refused_prompt_is_the_callers_and_repeats_the_upstreams_words(
    status: int, body: object, message: str
) -> None:
    refusal = judged(status, body)
    assert isinstance(refusal.fault, BadRequest)
    assert (refusal.fault.message, refusal.fault.code) == (message, None)
    assert (refusal.again, refusal.rest) == ("", 0.0)


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ({"code": "context_length_exceeded", "message": "too\nlong"}, PromptTooLong, "too long"),
        ({"error": {"code": "content_filter", "message": "no"}}, ContentFiltered, "no"),
        (
            {"error": "400 This model's maximum context length is 8 tokens."},
            PromptTooLong,
            "400 This model's maximum context length is 8 tokens.",
        ),
        (
            b"the maximum context length is reached",
            PromptTooLong,
            "The prompt is longer than the model's context.",
        ),
        (b'"content_filter"', ContentFiltered, "The upstream's content filter refused the prompt."),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_b6_an_overlong_or_filtered_prompt_is_told_by_its_own_code_and_not_to_be_repeated(
    status: int, body: object, kind: type[GatewayError], message: str
) -> None:
    refusal = judged(status, body)
    assert type(refusal.fault) is kind
    assert (refusal.fault.status, refusal.fault.message) == (400, message)
    assert (refusal.fault.retry, refusal.again, refusal.rest) == (False, "", 0.0)
    assert (refusal.spent, refusal.blame) == (False, "")


@pytest.mark.parametrize("status", [500, 502])
def test_a_function_that_fails_for_the_prompt_speaks_neither_against_itself_nor_for_another_try(
    status: int,
) -> None:
    refusal = judged(status, {"error": "400 This model's maximum context length is 8 tokens."})
    assert isinstance(refusal.fault, PromptTooLong)
    assert (refusal.again, refusal.spent, refusal.blame) == ("", False, "")


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize(
    "body",
    [
        b"<html>the maximum context length",
        {"error": "boom", "echo": {"message": "context_length_exceeded"}},
    ],
    ids=repr,
)
def test_a_failure_that_only_repeats_such_words_is_a_failure(status: int, body: object) -> None:
    refusal = judged(status, body)
    assert isinstance(refusal.fault, StartRefused)
    assert (refusal.again, refusal.blame) == ("same", "upstream")


@pytest.mark.parametrize("status", [403, 404, 429, 503, 504])
def test_the_same_words_with_another_status_change_nothing(status: int) -> None:
    fault = judged(status, {"code": "context_length_exceeded"}).fault
    assert type(fault) is type(judged(status).fault)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "at most 1 MB"}, "at most 1 MB"),
        (b"<html>", "The prompt is larger than what the upstream takes."),
    ],
    ids=repr,
)
def test_a_prompt_of_too_many_bytes_is_the_callers_to_shorten(body: object, message: str) -> None:
    refusal = judged(413, body)
    assert isinstance(refusal.fault, TooLarge)
    assert (refusal.fault.status, refusal.fault.code) == (413, "request_too_large")
    assert refusal.fault.message == message
    assert (refusal.fault.retry, refusal.again, refusal.rest) == (False, "", 0.0)


@given(
    st.integers(201, 599),
    st.dictionaries(st.just("retry-after"), st.text(max_size=12)),
    st.one_of(
        st.binary(max_size=40),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["error", "message", "msg", "code"]), inner, max_size=4
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
@settings(max_examples=300, deadline=None)
def test_whatever_the_upstream_answers_there_is_a_verdict_that_never_blames_the_callers_key(
    status: int, headers: dict[str, str], content: bytes
) -> None:
    refusal = refused(status, headers, content)
    assert refusal.fault.status in (400, 413, 429, 502, 503, 504)
    assert refusal.again in ("", "same", "refreshed")
    assert refusal.rest >= 0
