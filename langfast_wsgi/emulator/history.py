"""What happened, for whoever checks it afterwards: calls of the start, sign-ups, accounts.

Bounded, and without a secret in it: refresh tokens are counted by their place in a session. The
runs themselves are in the journal; a run has the number of the call that began it.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

_MOST_CALLS = 50_000
_MOST_SIGN_UPS = 10_000
_MOST_ACCOUNTS = 10_000
NO_ANSWER = 0  # a status: the answer was lost, or there is none yet


@dataclass(slots=True)
class Call:
    """One request to start a run."""

    number: int
    at: float
    run_id: str = ""
    user_id: str = ""
    label: str = ""  # the nonce of the steering, else how the last user message begins
    status: int = NO_ANSWER


@dataclass(slots=True)
class SignUp:
    """One request for an account."""

    at: float
    status: int = NO_ANSWER
    user_id: str = ""  # of the account that was made, also if the answer was lost


@dataclass(slots=True)
class Account:
    """What one user did."""

    user_id: str
    connects: int = 0
    runs: int = 0
    runs_max: int = 0  # the most in flight at once
    # By session: how often each of its refresh tokens was used, in the order of their issue.
    refresh_uses: dict[str, list[int]] = field(default_factory=dict)


class History:
    """The newest of everything."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._number = 0
        self._calls: deque[Call] = deque(maxlen=_MOST_CALLS)
        self._sign_ups: deque[SignUp] = deque(maxlen=_MOST_SIGN_UPS)
        self._accounts: OrderedDict[str, Account] = OrderedDict()

    def call(self) -> Call:
        """Enter a request to start a run."""
        self._number += 1
        call = Call(self._number, self._clock())
        self._calls.append(call)
        return call

    def sign_up(self) -> SignUp:
        """Enter a request for an account."""
        entry = SignUp(self._clock())
        self._sign_ups.append(entry)
        return entry

    def account(self, user_id: str) -> Account:
        """The account, entered if it is new."""
        account = self._accounts.get(user_id)
        if account is None:
            account = self._accounts[user_id] = Account(user_id)
            if len(self._accounts) > _MOST_ACCOUNTS:
                self._accounts.popitem(last=False)
        return account

    def run_began(self, user_id: str, in_flight: int) -> None:
        """A user has one more run in flight."""
        account = self.account(user_id)
        account.runs += 1
        account.runs_max = max(account.runs_max, in_flight)

    def token_used(self, user_id: str, session_id: str, place: int) -> None:
        """A session's refresh token, the first of which has place 0, was used."""
        uses = self.account(user_id).refresh_uses.setdefault(session_id, [])
        uses.extend([0] * (place + 1 - len(uses)))
        uses[place] += 1

    def clear(self) -> None:
        """Forget everything but the numbers given so far."""
        self._calls.clear()
        self._sign_ups.clear()
        self._accounts.clear()

    def as_json(self, since: int) -> dict[str, object]:
        """Everything; of the calls those after a number."""
        return {
            "next": self._number,
            "starts": [asdict(call) for call in self._calls if call.number > since],
            "sign_ups": [asdict(entry) for entry in self._sign_ups],
            "accounts": [asdict(account) for account in self._accounts.values()],
        }
