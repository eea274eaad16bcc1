"""The history: what a checker reads after a storm, from starts to texts."""

import hashlib
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import Account, Client, client_of, eventually, listening


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005", "--reuse-interval", "0") as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        emulator.forget()
        yield made
    emulator.clear_faults()


@pytest.fixture
def account(client: Client) -> Account:
    return client.sign_up()


def _history(client: Client, since: int = 0) -> dict[str, Any]:
    url = f"{client.emulator.url}/emulator/history?since={since}"
    return dict(client.http.get(url, timeout=10).json())


def _of(client: Client, account: Account) -> dict[str, Any]:
    [found] = [a for a in _history(client)["accounts"] if a["user_id"] == account.user_id]
    return dict(found)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_run_is_told_with_its_nonce_its_texts_and_its_end(
    client: Client, account: Account
) -> None:
    began = time.time()
    said = {"text": "äbc🦊ef", "chunks": 3, "nonce": "n-1"}
    with listening(client.emulator, account) as socket:
        answer = client.start(account, json.dumps(said)).json()
        texts = [chunk["content"] for chunk in socket.run()]
    assert eventually(lambda: _history(client)["runs"][0]["state"] == "completed")
    [run] = _history(client)["runs"]
    assert run["texts"] == [[len(text), _digest(text)] for text in texts]
    assert (run["job_id"], run["run_id"]) == (answer["jobs"][0]["job_id"], answer["run_id"])
    assert (run["user_id"], run["label"], run["starts"]) == (account.user_id, "n-1", 1)
    assert began <= run["started_at"] <= run["ended_at"] <= time.time()


def test_what_the_history_says_fits_what_the_runs_say(client: Client, account: Account) -> None:
    faults = ["rewrite", "duplicate", "reorder", "late"]
    with listening(client.emulator, account) as socket:
        client.start(account, json.dumps({"text": "abcdef", "chunks": 6, "fault": faults}))
        socket.run()
    assert eventually(lambda: client.emulator.runs()[0]["state"] == "completed")
    [run] = client.emulator.runs(texts=True)
    told = [[len(one["text"]), _digest(one["text"])] for one in run["texts"]]
    assert _history(client)["runs"][0]["texts"] == told


def test_every_start_is_told_with_its_answer_also_those_that_were_refused(
    client: Client, account: Account
) -> None:
    run_id = str(uuid.uuid4())
    said = json.dumps({"text": "abc", "nonce": "n-2", "fault": "start-503", "times": 1})
    client.emulator.faults(start={"status": 429, "times": 1})
    for expected in (429, 503, 200, 200):
        assert client.start(account, said, run_id=run_id).status_code == expected
    client.emulator.faults(start={"body": "lost", "times": 1})
    with pytest.raises(requests.ConnectionError):
        client.start(account, "no nonce", run_id=str(uuid.uuid4()))
    starts = _history(client)["starts"]
    assert [(start["label"], start["status"]) for start in starts] == [
        ("n-2", 429),
        ("n-2", 503),
        ("n-2", 200),
        ("n-2", 200),
        ("no nonce", 0),
    ]
    assert {start["run_id"] for start in starts[:4]} == {run_id}
    first, lost = _history(client)["runs"]
    assert (first["starts"], first["number"]) == (2, starts[2]["number"])
    assert (lost["label"], lost["number"]) == ("no nonce", starts[4]["number"])


def test_a_start_that_nobody_may_make_is_told_as_well(client: Client, account: Account) -> None:
    client.emulator.expire_tokens()
    assert client.start(account, "with a stale token").status_code == 401
    client.http.headers["apikey"] = "wrong"
    assert client.post("/functions/v1/initiate-prompt-run", {}).status_code == 401
    labels = [(start["label"], start["status"]) for start in _history(client)["starts"]]
    assert labels == [("with a stale token", 401), ("", 401)]


def test_only_what_is_new_is_told_after_a_number(client: Client, account: Account) -> None:
    client.start(account, "one")
    after = _history(client)["next"]
    assert _history(client, after)["starts"] == _history(client, after)["runs"] == []
    client.start(account, "two")
    told = _history(client, after)
    assert [start["label"] for start in told["starts"]] == ["two"]
    assert [run["label"] for run in told["runs"]] == ["two"]


@pytest.mark.parametrize("since", ["-1", "x", ""])
def test_a_number_that_is_none_is_refused(client: Client, since: str) -> None:
    url = f"{client.emulator.url}/emulator/history?since={since}"
    assert client.http.get(url, timeout=10).status_code == 400


def test_sign_ups_are_told_with_their_time_and_their_answer(client: Client) -> None:
    began = time.time()
    client.emulator.faults(sign_up={"status": 429, "times": 1})
    client.post("/auth/v1/signup", {})
    made = client.sign_up()
    client.emulator.faults(sign_up={"body": "lost", "times": 1})
    with pytest.raises(requests.ConnectionError):
        client.sign_up()
    entries = _history(client)["sign_ups"]
    assert [entry["status"] for entry in entries] == [429, 200, 0]
    assert [bool(entry["user_id"]) for entry in entries] == [False, True, True]
    assert entries[1]["user_id"] == made.user_id
    times = [entry["at"] for entry in entries]
    assert times == sorted(times)
    assert began <= times[0] <= time.time()


def test_the_uses_of_each_refresh_token_are_counted(client: Client, account: Account) -> None:
    second = client.refresh(account)
    client.refresh(second)
    client.refresh(second)
    stolen = {"refresh_token": account.refresh_token}
    assert client.post("/auth/v1/token?grant_type=refresh_token", stolen).status_code == 400
    [uses] = _of(client, account)["refresh_uses"].values()
    assert uses == [2, 2]


def test_runs_in_flight_and_connects_are_counted_by_account(
    client: Client, account: Account
) -> None:
    other = client.sign_up()
    client.start(other, "abc")
    with listening(client.emulator, account), listening(client.emulator, account):
        for _ in range(3):
            client.start(account, json.dumps({"text": "abc", "delay": 0.5}))
    told = _of(client, account)
    assert (told["connects"], told["runs"], told["runs_max"]) == (2, 3, 3)
    assert _of(client, other)["runs_max"] == 1


def test_no_secret_is_told(client: Client, account: Account) -> None:
    renewed = client.refresh(account)
    with listening(client.emulator, renewed) as socket:
        client.start(renewed, "a secret prompt " + "x" * 500)
        socket.run()
    told = json.dumps(_history(client))
    for secret in (account, renewed):
        assert secret.access_token not in told
        assert secret.refresh_token not in told
    assert client.emulator.anon_key not in told
    assert "x" * 201 not in told


def test_forgetting_clears_the_history(client: Client, account: Account) -> None:
    client.start(account, "abc")
    client.emulator.forget()
    told = _history(client)
    assert [told[name] for name in ("starts", "runs", "sign_ups", "accounts")] == [[], [], [], []]
