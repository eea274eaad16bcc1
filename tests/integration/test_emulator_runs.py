"""Runs from the start call to the last event, over real sockets."""

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.emulator import EmulatorProcess, running_emulator
from tests.support.emulator_client import Account, Client, client_of, eventually, listening


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with running_emulator("--interval", "0.005") as running:
        yield running


@pytest.fixture
def client(emulator: EmulatorProcess) -> Iterator[Client]:
    with client_of(emulator) as made:
        yield made
    emulator.clear_faults()


@pytest.fixture
def account(client: Client) -> Account:
    return client.sign_up()


def _steering(**given: object) -> str:
    # The nonce keeps faults that are counted by prompt apart.
    return json.dumps({"text": "abcdef", "chunks": 3, **given, "message": str(uuid.uuid4())})


def _texts(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["content"] for chunk in chunks]


@pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
def test_a_run_says_growing_texts_on_any_transport(
    client: Client, account: Account, transports: tuple[str, ...]
) -> None:
    with listening(client.emulator, account, transports) as socket:
        answer = client.start(account, "Grüße 🦊, wie geht es dir heute?")
        chunks = socket.run()
    [job] = answer.json()["jobs"]
    assert {chunk["executionId"] for chunk in chunks} == {job["job_id"]}
    assert [chunk["status"] for chunk in chunks] == ["in_progress"] * 3 + ["completed"]
    assert [chunk["finish_reason"] for chunk in chunks] == [None] * 3 + ["stop"]
    texts = _texts(chunks)
    assert texts[-1] == "Grüße 🦊, wie geht es dir heute?"
    assert all(longer.startswith(text) for text, longer in itertools.pairwise(texts))


def test_the_same_prompt_is_always_said_in_the_same_pieces(
    client: Client, account: Account
) -> None:
    with listening(client.emulator, account) as socket:
        said = []
        for _ in range(2):
            client.start(account, "Tell me something that is long enough for five pieces, say.")
            said.append(_texts(socket.run()))
    assert said[0] == said[1]
    assert len(said[0]) == 6


def test_a_run_goes_to_all_sockets_of_its_user_and_to_nobody_elses(
    client: Client, account: Account
) -> None:
    other = client.sign_up()
    with (
        listening(client.emulator, account) as one,
        listening(client.emulator, account) as two,
        listening(client.emulator, other) as stranger,
    ):
        client.start(account)
        assert one.run() == two.run()
        assert stranger.received.empty()


def test_a_run_of_a_user_without_sockets_goes_nowhere_but_goes(
    client: Client, account: Account
) -> None:
    answer = client.start(account, _steering(interval=0))
    assert answer.status_code == 200
    assert eventually(lambda: client.emulator.runs()[-1]["state"] == "completed")


def test_a_client_that_comes_back_gets_the_later_texts(client: Client, account: Account) -> None:
    client.start(account, _steering(chunks=6, interval=0.2))
    assert eventually(lambda: client.emulator.runs()[-1]["events"] > 0)
    with listening(client.emulator, account) as socket:
        texts = _texts(socket.run())
    assert texts == ["a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdef"][-len(texts) :]
    assert len(texts) < 7


def test_the_same_run_id_starts_one_run_and_answers_the_same_job(
    client: Client, account: Account
) -> None:
    run_id = str(uuid.uuid4())
    before = client.emulator.stats()
    answers = [client.start(account, run_id=run_id).json() for _ in range(3)]
    after = client.emulator.stats()
    assert answers[0] == answers[1] == answers[2]
    assert after["starts"] - before["starts"] == 3
    assert after["starts_accepted"] - before["starts_accepted"] == 1
    assert after["starts_repeated"] - before["starts_repeated"] == 2


def test_the_journal_holds_the_request_and_every_text(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        answer = client.start(account, "abc", model="gpt-4o-mini").json()
        socket.run()
    [run] = [run for run in client.emulator.runs(texts=True) if run["run_id"] == answer["run_id"]]
    assert run["job_id"] == answer["jobs"][0]["job_id"]
    assert (run["user_id"], run["model"], run["state"]) == (
        account.user_id,
        "gpt-4o-mini",
        "completed",
    )
    assert run["prompt_meta"]["messages"] == [{"role": "user", "content": "abc"}]
    assert run["texts"] == [
        {"sequence": number, "text": text} for number, text in enumerate(["a", "ab", "abc", "abc"])
    ]
    assert "texts" not in client.emulator.runs()[0]


def test_forgetting_clears_journal_and_counters(client: Client, account: Account) -> None:
    client.start(account, "abc")
    client.emulator.forget()
    assert client.emulator.runs() == []
    assert client.emulator.stats()["starts"] == 0


def test_runs_in_flight_on_one_user_are_counted(client: Client, account: Account) -> None:
    assert eventually(lambda: client.emulator.stats()["runs_active"] == 0)
    client.emulator.forget()
    for _ in range(3):
        client.start(account, _steering(delay=0.5))
    assert client.emulator.stats()["runs_active"] == 3
    assert eventually(lambda: client.emulator.stats()["runs_active"] == 0)
    assert client.emulator.stats()["runs_max_per_user"] == 3


def _start_body(client: Client, token: str | None, **changed: object) -> requests.Response:
    headers = {} if token is None else {"Authorization": token}
    return client.post("/functions/v1/initiate-prompt-run", {"run_id": "?", **changed}, headers)


def test_a_start_needs_the_key_a_bearer_and_its_own_user(client: Client, account: Account) -> None:
    missing = _start_body(client, None)
    assert (missing.status_code, missing.json()["code"]) == (401, "UNAUTHORIZED_NO_AUTH_HEADER")
    for token in ("Bearer nonsense", "Bearer a.b.c"):
        bad = _start_body(client, token)
        expected = {"code": "UNAUTHORIZED_LEGACY_JWT", "message": "Invalid JWT"}
        assert (bad.status_code, bad.json()) == (401, expected)
        assert bad.headers["sb-error-code"] == "UNAUTHORIZED_LEGACY_JWT"
    assert client.start(account, created_by=str(uuid.uuid4())).status_code == 403
    client.http.headers["apikey"] = "wrong"
    assert client.start(account).json()["message"] == "Invalid API key"


def test_an_expired_token_starts_nothing(client: Client, account: Account) -> None:
    client.emulator.expire_tokens()
    answer = client.start(account)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED_LEGACY_JWT")
    assert client.start(client.refresh(account)).status_code == 200


def test_a_bad_body_is_refused_with_a_sentence(client: Client, account: Account) -> None:
    answer = client.start(account, run_id="1")
    assert (answer.status_code, answer.json()["message"]) == (400, "run_id must be a UUID.")
    steered = client.start(account, '{"chunks": "many"}')
    assert steered.json()["message"] == "steering: 'chunks' must be a whole number from 1."


@pytest.mark.parametrize("status", [400, 402, 403, 404, 422, 429, 500, 502, 503, 504, 546])
def test_a_start_can_be_refused_with_a_status(
    client: Client, account: Account, status: int
) -> None:
    said = _steering(fault=f"start-{status}", retry_after=1.5, code="some_code", times=1)
    first, second = client.start(account, said), client.start(account, said)
    assert (first.status_code, first.json()["code"]) == (status, "some_code")
    assert first.headers["retry-after"] == "1.5"
    assert second.status_code == 200


def test_a_status_fault_without_times_stays(client: Client, account: Account) -> None:
    answers = [client.start(account, '{"fault": "start-503"}') for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["code"] == "BOOT_ERROR"


def test_start_401_makes_the_token_bad_until_it_is_refreshed(
    client: Client, account: Account
) -> None:
    said = _steering(fault="start-401")
    assert client.start(account, said).status_code == 401
    assert client.start(account, "something else").status_code == 401
    assert client.start(client.refresh(account), said).status_code == 200


def test_flaky_429_refuses_twice_and_then_replies_and_then_again(
    client: Client, account: Account
) -> None:
    answers = [client.start(account, "flaky?", model="flaky-429") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429, 429, 200, 429, 429, 200]
    assert answers[0].headers["retry-after"] == "1"


def test_a_run_can_start_although_its_answer_says_otherwise(
    client: Client, account: Account
) -> None:
    run_id = str(uuid.uuid4())
    said = _steering(fault="start-502", ran=True)
    with listening(client.emulator, account) as socket:
        assert client.start(account, said, run_id=run_id).status_code == 502
        again = client.start(account, said, run_id=run_id)
        assert again.json()["jobs"][0]["job_id"] == socket.run()[0]["executionId"]


def test_a_lost_start_runs_and_answers_when_it_is_repeated(
    client: Client, account: Account
) -> None:
    run_id = str(uuid.uuid4())
    said = _steering(fault="start-lost")
    with listening(client.emulator, account) as socket:
        with pytest.raises(requests.ConnectionError):
            client.start(account, said, run_id=run_id)
        assert client.start(account, said, run_id=run_id).status_code == 200
        assert _texts(socket.run())[-1] == "abcdef"


def test_a_hanging_start_answers_when_its_time_is_over(client: Client, account: Account) -> None:
    began = time.monotonic()
    assert client.start(account, _steering(fault="start-hang", seconds=0.2)).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_an_early_run_is_over_before_its_start_is_answered(
    client: Client, account: Account
) -> None:
    client.start(account, _steering(fault="early", delay=30, interval=30))
    assert client.emulator.runs()[-1]["state"] == "completed"


def test_a_start_may_answer_html_or_odd_lists_of_jobs(client: Client, account: Account) -> None:
    html = client.start(account, _steering(fault="start-html"))
    assert (html.status_code, html.headers["content-type"]) == (200, "text/html")
    assert client.start(account, _steering(fault="start-empty-jobs")).json()["jobs"] == []
    many = client.start(account, _steering(fault="start-many-jobs", size=3)).json()["jobs"]
    assert len({job["job_id"] for job in many}) == 3


def test_without_jobs_neither_answer_nor_events_name_one(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        answer = client.start(account, _steering(fault="no-jobs")).json()
        assert set(answer) == {"run_id"}
        assert all("executionId" not in chunk for chunk in socket.run())


def test_an_emulator_without_job_ids_names_no_job() -> None:
    with running_emulator("--no-job-ids") as emulator, client_of(emulator) as client:
        account = client.sign_up()
        with listening(emulator, account) as socket:
            assert set(client.start(account, "abc").json()) == {"run_id"}
            assert all("executionId" not in chunk for chunk in socket.run())


@pytest.mark.parametrize("fault", ["drop", "kick"])
def test_a_run_goes_on_for_who_comes_back_after_a_cut(
    client: Client, account: Account, fault: str
) -> None:
    reasons = {"drop": "transport error", "kick": "server disconnect"}
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault=fault, at=1, chunks=6, interval=0.1))
        assert socket.chunk()["content"] == "a"
        assert socket.disconnects.get(timeout=5) == reasons[fault]
    with listening(client.emulator, account) as back:
        assert _texts(back.run())[-1] == "abcdef"


def test_a_drop_for_good_ends_its_run_and_no_other(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, "x", model="error-midstream")
        long = _steering(text="z" * 40, chunks=40, interval=0.02)
        client.start(account, long)
        assert socket.disconnects.get(timeout=5) == "transport error"
    with listening(client.emulator, account) as back:
        assert set(_texts(back.run())[-1]) == {"z"}
    assert client.emulator.runs()[-2]["state"] == "dropped"


def test_a_silent_run_stops_and_counts_as_over(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="silent", at=2))
        assert [socket.chunk()["content"] for _ in range(2)] == ["ab", "abcd"]
        time.sleep(0.1)
        assert socket.received.empty()
    assert client.emulator.runs()[-1]["state"] == "silent"


def test_a_failed_run_says_so(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, _steering(fault="fail"))
        last = socket.run()[-1]
    assert (last["status"], last["content"]) == ("failed", "ab")
    assert last["error"]


def test_a_big_text_arrives_whole(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, json.dumps({"fault": "big", "size": 3_000_000, "interval": 0}))
        assert len(socket.run()[-1]["content"]) == 3_000_000


def test_half_a_character_arrives_as_node_would_send_it(client: Client, account: Account) -> None:
    with listening(client.emulator, account) as socket:
        client.start(account, json.dumps({"text": "a🦊b", "fault": "split-surrogate"}))
        assert _texts(socket.run()) == ["a", "a\ud83e", "a🦊", "a🦊b", "a🦊b"]


def test_a_tools_result_is_what_echo_says(client: Client, account: Account) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "how warm?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "21 C"},
    ]
    with listening(client.emulator, account) as socket:
        client.start(account, messages=messages)
        assert _texts(socket.run())[-1] == "21 C"


def test_replies_can_be_scripted(tmp_path: Path) -> None:
    path = tmp_path / "replies.toml"
    path.write_text('[[replies]]\nmodel = "gpt-*"\nmatch = "^ping"\nreply = ["pong", "pung"]\n')
    with running_emulator("--replies", str(path)) as emulator, client_of(emulator) as client:
        account = client.sign_up()
        with listening(emulator, account) as socket:
            said = []
            for content in ("ping", "ping!", "other"):
                client.start(account, content, model="gpt-4o")
                said.append(_texts(socket.run())[-1])
    assert said == ["pong", "pung", "other"]


def test_a_service_fault_of_the_start_passes_when_its_times_are_over(
    client: Client, account: Account
) -> None:
    client.emulator.faults(start={"status": 503, "retry_after": 2, "times": 1})
    refused = client.start(account)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert refused.headers["sb-error-code"] == "BOOT_ERROR"
    assert client.start(account).status_code == 200
