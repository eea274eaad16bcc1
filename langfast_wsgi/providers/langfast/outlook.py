"""Pure: who could serve, and what waiting in line would come to, from how the accounts stand.

A caller that cannot be served before its patience ends is told so at once, with the reason that
will still be the reason then.
"""

from collections.abc import Collection
from dataclasses import dataclass

from langfast_wsgi.errors import (
    GatewayError,
    NoCredentials,
    QuotaExhausted,
    RateLimited,
    TooManyRuns,
)
from langfast_wsgi.providers.langfast.accounts import CredentialGone
from langfast_wsgi.providers.langfast.credential import Credential

LONG = 60.0  # seconds; a retry of the caller's own would not wait so long
REFUSALS = 2  # of a socket in a row: one for the old token, one for the fresh one

_HELD_BY = (NoCredentials, RateLimited, CredentialGone)
"""Why sign-ups may be held for a while that is known: budget, rate limit, accounts that are taken
back. (After other failures they are tried again, and the breaker says whether that is hopeless.)
"""


@dataclass(slots=True)
class Refill:
    """How it stands with new accounts: ``wait`` seconds until the next sign-up may be made."""

    wait: float
    trouble: GatewayError | None
    #: Why there will be none until an operator acts.
    halted: GatewayError | None
    #: Whether there are fewer than there should always be.
    due: bool


def able(accounts: Collection[Credential], now: float) -> list[Credential]:
    """Those that could serve, if they have a place."""
    return [one for one in accounts if one.usable(now)]


def to_try(accounts: Collection[Credential], now: float, patience: float) -> list[Credential]:
    """Where none is able: one that is so but for a refusal, for who else could tell that it is
    over? Whoever rests for a limit is left alone, and for one that is soon back callers can wait.
    """
    if any(one.back_within(patience, now) for one in accounts):
        return []
    refused = [one for one in accounts if one.connected(now) and not one.resting(now)]
    return sorted(refused, key=lambda one: one.in_flight)[:1]


def freest(accounts: Collection[Credential], places: int, wanted: int) -> list[Credential]:
    """The accounts that carry the fewest runs, one for each place; none if there are too few."""
    free = [one for one in accounts if one.in_flight < places]
    chosen: list[Credential] = []
    for _ in range(wanted):
        least, best = places, None
        for one in free:
            load = one.in_flight + chosen.count(one)
            if load < least:
                least, best = load, one
        if best is None:
            return []
        chosen.append(best)
    return chosen


def census(accounts: Collection[Credential], places: int, now: float) -> dict[str, int]:
    """Accounts by state, and places taken."""
    counts = dict.fromkeys(("ready", "busy", "cooling", "connecting"), 0)
    for one in accounts:
        counts[one.state(now, places)] += 1
    counts["taken"] = sum(one.in_flight for one in accounts)
    return counts


def hopeless(
    accounts: Collection[Credential], refill: Refill, now: float, patience: float
) -> GatewayError | None:
    """The fault for every caller, where none can be served within ``patience`` seconds."""
    if not accounts:
        if refill.halted is not None:
            return refill.halted.again(refill.halted.retry_after)
        held = isinstance(refill.trouble, _HELD_BY) and refill.wait > patience
        return no_account(refill) if held else None
    if all(one.resting(now) for one in accounts):
        return _rest(min(accounts, key=lambda one: one.resting_until), now)
    if refill.due and refill.halted is None and refill.wait <= patience:
        return None  # a new one may be here soon
    if all(one.socket is None and one.refusals >= REFUSALS for one in accounts):
        refused = next(iter(accounts)).refused
        assert refused is not None  # noqa: S101 - that is what refusals are
        return refused.again(None)
    soonest = min(accounts, key=lambda one: one.cooling_until)
    if soonest.cooling_for is not None and soonest.cooling_until - now > patience:
        return soonest.cooling_for.again(None)
    return None


def too_many(wanted: int) -> GatewayError:
    """For a caller that wants more places than there will ever be."""
    return TooManyRuns(f"There are no {wanted} places for the runs of one request.", retry=False)


def overdue(
    accounts: Collection[Credential], refill: Refill, again: float, now: float
) -> GatewayError:
    """For a caller that waited too long; ``again``: in how many seconds the line is served."""
    if able(accounts, now):
        return TooManyRuns("All places are taken. Try again shortly.", retry_after=again)
    refused = [one.refused for one in accounts if one.refused is not None]
    return refused[0].again(None) if refused else no_account(refill)


def no_account(refill: Refill) -> NoCredentials:
    """None is ready, and when the next one may be."""
    wait = max(refill.wait, 5.0)
    message = "No account of the upstream is ready."
    if refill.trouble is not None:
        message += f" {refill.trouble.message}"
    # A rate limit may pass sooner than it was taken for; our own budget never does.
    final = wait > LONG and not isinstance(refill.trouble, RateLimited)
    return NoCredentials(message, retry_after=wait, retry=False if final else None)


def _rest(soonest: Credential, now: float) -> GatewayError:
    fault = soonest.resting_for
    assert fault is not None  # noqa: S101 - that is what resting means
    wait = None if isinstance(fault, QuotaExhausted) else max(soonest.resting_until - now, 1.0)
    return fault.again(wait)
