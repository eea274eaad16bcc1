"""While every start fails: starts that come of a request, without and with the SDK's retries."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import openai

from tests.faults.calls import MODEL, Order, ask
from tests.faults.report import Report
from tests.support.emulator import running_emulator
from tests.support.gateway import running_gateway, wait_for

LIMIT = 1.1
LIMIT_WITH_RETRIES = 3.3
CALLERS = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """How many requests, and how many of them by an SDK that tries three times."""

    requests: int
    with_retries: int


LONG = Setting(requests=1000, with_retries=60)
SHORT = Setting(requests=200, with_retries=8)


def run(setting: Setting, seed: int = 0) -> Report:
    """The upstream fails each start with a 500, which may be tried again once."""
    report = Report(f"amplification: {setting.requests} requests, every start fails")
    with (
        running_emulator() as upstream,
        running_gateway(upstream) as gateway,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        wait_for(lambda: gateway.metrics()['langfast_credentials{state="ready"}'] == 5, "accounts")
        # Before the first start was answered nobody knows whether runs can be told apart, and one
        # that failed keeps its account for a while.
        assert gateway.chat("once").status_code == 200
        upstream.forget()
        upstream.faults(start={"status": 500})
        orders = [Order(f"n-{number}", "x") for number in range(setting.requests)]
        calls = list(pool.map(lambda order: ask(gateway.port, order), orders))
        starts = upstream.stats()["starts"]
        list(pool.map(lambda _: _with_retries(gateway.api), range(setting.with_retries)))
        more = upstream.stats()["starts"] - starts
    codes = Counter(f"{call.status} {call.code or call.cut}" for call in calls)
    report.figure("answers", ", ".join(f"{count} × {code}" for code, count in codes.most_common()))
    unfit = [str(call) for call in calls if call.status not in (502, 503)]
    report.none("answered otherwise than 502 or 503", unfit)
    report.most("starts ÷ requests", starts / setting.requests, LIMIT)
    report.most("with the SDK's retries", more / setting.with_retries, LIMIT_WITH_RETRIES)
    return report


def _with_retries(api: str) -> None:
    with openai.OpenAI(base_url=api, api_key="k", timeout=60) as client:
        try:
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
        except openai.APIStatusError:
            pass  # what it answers was looked at above
