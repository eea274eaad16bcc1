"""What is said of how many more runs would be taken."""

import pytest
from flask import Blueprint, Flask, Response
from werkzeug.test import TestResponse

from langfast_wsgi.dialects._limits import duration, telling_limits
from langfast_wsgi.dialects._service import Service


class Gate:
    def room(self) -> tuple[int, int, float]:
        return 500, 498, 61.2


class FakeService:
    def gateway(self) -> Gate:
        return Gate()


def made(_: Service) -> Blueprint:
    blueprint = Blueprint("b", __name__)

    @blueprint.route("/<int:status>", methods=["GET", "POST"])
    def answer(status: int) -> Response:
        return Response(iter([b"x"]), status)

    return blueprint


def asked(method: str, status: int) -> TestResponse:
    app = Flask(__name__)
    app.register_blueprint(telling_limits(made)(FakeService()))  # type: ignore[arg-type]
    return app.test_client().open(f"/{status}", method=method)


def told(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if "ratelimit" in name.lower()}


def test_an_answer_of_a_run_tells_limit_rest_and_when_all_of_it_is_back() -> None:
    assert told(asked("POST", 200)) == {
        "x-ratelimit-limit-requests": "500",
        "x-ratelimit-remaining-requests": "498",
        "x-ratelimit-reset-requests": "1m2s",
    }


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("POST", 400), ("POST", 429), ("POST", 503)]
)
def test_what_started_nothing_tells_nothing(method: str, status: int) -> None:
    assert told(asked(method, status)) == {}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (0.2, "1s"), (1, "1s"), (59.5, "1m0s"), (60, "1m0s"), (600.0, "10m0s")],
)
def test_durations_are_written_as_openai_writes_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words
