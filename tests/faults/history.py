"""A recorded history under a random nemesis, looked through by the checker when all is over."""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.faults import checker
from tests.faults.calls import Call, Order, ask
from tests.faults.checker import History, Run, Start
from tests.faults.nemesis import Nemesis
from tests.faults.orders import orders
from tests.faults.processes import workers
from tests.faults.report import Report, say
from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.redis_server import running_redis

WORKERS = 2
ACCOUNTS = 6
LIMIT = 6  # runs on an account at one time
CALLERS = 36


@dataclass(frozen=True, slots=True)
class Setting:
    """How many requests, and how often something goes wrong, in seconds."""

    requests: int
    pause: float
    most_kills: int
    longest: float  # run
    complete: float  # so much of it at the least: a history of refusals would show little


LONG = Setting(requests=20_000, pause=1.0, most_kills=40, longest=4, complete=0.6)
SHORT = Setting(requests=600, pause=0.5, most_kills=2, longest=4, complete=0.1)


def run(
    setting: Setting, seed: int = 0, *, keep: Path | None = None, redis: bool = False
) -> Report:
    """Make a history, check it; ``keep`` is a folder for what is needed to look into it."""
    sign_ups = ACCOUNTS + setting.most_kills * -(-ACCOUNTS // WORKERS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(running_redis()) if redis else None
        upstream = stack.enter_context(running_emulator())
        gateway = stack.enter_context(
            running_gateway(
                upstream,
                WEB_CONCURRENCY=WORKERS,
                MIN_CREDENTIALS=ACCOUNTS,
                MAX_CREDENTIALS=ACCOUNTS,
                RUNS_PER_CREDENTIAL=LIMIT,
                SIGNUPS_PER_HOUR=sign_ups,
                RUN_IDLE_TIMEOUT=15,
                QUEUE_TIMEOUT=5,
                REDIS_URL=store.url if store else None,
                TMPDIR=folder,
            )
        )
        wait_for(lambda: _accounts(gateway) == ACCOUNTS, "the accounts")
        nemesis = Nemesis(
            gateway, upstream, random.Random(seed + 1), setting.pause, setting.most_kills
        )
        if store is not None:
            nemesis.add("Redis refused", 1, lambda: _away(store.refuse, store.start))
            nemesis.add("Redis hung", 1, lambda: _away(store.hang, store.go_on))
        with nemesis:
            calls = list(_calls(gateway, setting, seed))
        left = _left(gateway, upstream, folder)
        history = _history(calls, _told(upstream), nemesis, sign_ups, left)
        if keep is not None:
            _keep(keep, history, gateway.log())
    return _report(history, nemesis, setting, seed)


def _away(goes: Callable[[], None], comes_back: Callable[[], None]) -> None:
    goes()
    time.sleep(2)
    comes_back()


def _accounts(gateway: GatewayProcess) -> float:
    return gateway.metrics()['langfast_credentials{state="ready"}']


def _told(upstream: EmulatorProcess) -> dict[str, Any]:
    """The emulator's own history."""
    with requests.Session() as http:
        http.trust_env = False
        answer = http.get(f"{upstream.url}/emulator/history", timeout=60)
        answer.raise_for_status()
        return dict(answer.json())


def _run(told: dict[str, Any]) -> Run:
    return Run(
        run_id=told["run_id"],
        account=told["user_id"],
        nonce=told["label"],
        state=told["state"],
        said=tuple((length, digest) for length, digest in told["texts"]),
        began=told["started_at"],
        ended=told["ended_at"],
    )


def _calls(gateway: GatewayProcess, setting: Setting, seed: int) -> Iterator[Call]:
    source = orders(random.Random(seed), f"s{seed}", longest=setting.longest, leavers=0.08)
    chosen = [next(source) for _ in range(setting.requests)]
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = pool.map(lambda order: _patiently(gateway.port, order), chosen)
        for done, call in enumerate(answers, 1):
            yield call
            if done % 2000 == 0:
                say(f"  {done} of {setting.requests}")


def _patiently(port: int, order: Order) -> Call:
    """A caller that is turned away waits a little, so that others than these make the history."""
    call = ask(port, order)
    if call.status >= 400:
        time.sleep(1.0)
    return call


def _left(gateway: GatewayProcess, upstream: EmulatorProcess, folder: Path) -> dict[str, float]:
    """What is there when nobody calls any more, and after the gateway's end."""
    busy = ("langfast_runs_in_flight", "langfast_leases", "langfast_queue_length")
    wait_for(lambda: not upstream.stats()["runs_active"], "the runs upstream to end", 60)
    _settled(lambda: not any(gateway.metrics()[name] for name in busy))
    _settled(lambda: gateway.metrics()["langfast_sockets"] == ACCOUNTS)
    _settled(lambda: upstream.stats()["sockets_open"] == ACCOUNTS)
    series = gateway.metrics()
    left = {name: series[name] for name in busy}
    # More than one for each account is a leak; fewer is an account that does not come back.
    left["sockets beside the accounts'"] = abs(series["langfast_sockets"] - ACCOUNTS)
    left["sockets beside them, upstream"] = abs(upstream.stats()["sockets_open"] - ACCOUNTS)
    processes = workers(gateway.process.pid)
    gateway.stop()
    _settled(lambda: not upstream.stats()["sockets_open"])
    left["sockets behind the end"] = upstream.stats()["sockets_open"]
    left["processes"] = sum(_runs(process) for process in processes)
    left["files"] = len(list(folder.iterdir()))
    return left


def _settled(condition: Any) -> None:
    """Wait for it; what it is in the end is looked at afterwards."""
    until = time.monotonic() + 45
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _history(
    calls: Sequence[Call],
    told: dict[str, Any],
    nemesis: Nemesis,
    budget: int,
    left: dict[str, float],
) -> History:
    share = -(-ACCOUNTS // WORKERS)
    uses = [one for account in told["accounts"] for one in account["refresh_uses"].values()]
    return History(
        calls=calls,
        runs=[_run(run) for run in told["runs"]],
        limit=LIMIT,
        starts=[Start(one["label"], one["run_id"], one["status"]) for one in told["starts"]],
        kills=nemesis.kills,
        sign_ups=[one["at"] for one in told["sign_ups"]],
        budget=budget,
        called_for=ACCOUNTS + share * len(nemesis.kills),
        token_uses=[count for session in uses for count in session],
        answers_lost=nemesis.done["refreshes lost"],
        left=left,
    )


def _keep(folder: Path, history: History, log: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "calls": [call.as_json() for call in history.calls],
        "runs": [asdict(run) for run in history.runs],
        "starts": [asdict(start) for start in history.starts],
    }
    for name, records in told.items():
        lines = (json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "gateway.log").write_text(log, encoding="utf-8")


def _report(history: History, nemesis: Nemesis, setting: Setting, seed: int) -> Report:
    report = Report(f"history: {len(history.calls)} requests (seed {seed})")
    ends = Counter(_end(call) for call in history.calls)
    for end, count in ends.most_common():
        report.figure(f"  {end}", count)
    for deed, count in sorted(nemesis.done.items()):
        report.figure(f"  nemesis: {deed}", count)
    report.none("nemesis: failed", nemesis.failed)
    share = ends["complete"] / len(history.calls)
    report.figure(
        "complete", f"{share:.0%}", f"at least {setting.complete:.0%}", share >= setting.complete
    )
    report.figure("runs upstream, sign-ups", f"{len(history.runs)}, {len(history.sign_ups)}")
    report.figure("refreshes", sum(history.token_uses))
    report.figure("starts ÷ requests", len(history.starts) / len(history.calls))
    for name, wrongs in checker.check(history).items():
        report.none(name, wrongs)
    return report


def _end(call: Call) -> str:
    if call.left:
        return "left"
    if call.whole:
        return "complete"
    if call.cut:
        return f"cut ({call.cut.split()[0]})"
    where = "event" if call.status == 200 else str(call.status)
    return f"{where} {call.code}"
