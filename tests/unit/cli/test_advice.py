"""The table of advice."""

import re
from pathlib import Path

import pytest

import langfast_wsgi
from langfast_wsgi import errors
from langfast_wsgi.cli import advice
from langfast_wsgi.errors import BadRequest, GatewayError, OwnError, SignUpRefused, UpstreamError
from langfast_wsgi.providers.langfast import accounts, verdict
from langfast_wsgi.settings import Settings

PACKAGE = Path(langfast_wsgi.__file__).parent


def below(kind: type[GatewayError]) -> list[type[GatewayError]]:
    return [kind, *(one for child in kind.__subclasses__() for one in below(child))]


FAULTS = [kind for root in (UpstreamError, OwnError) for kind in below(root)]
FAULTS.remove(OwnError)  # stands for its kinds only


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_fault_has_advice(kind: type[GatewayError]) -> None:
    assert advice.about(kind("It failed.")) != advice.UNKNOWN
    assert advice.by_code(kind.default_code) != advice.UNKNOWN


def codes_in(*paths: Path) -> set[str]:
    found = {
        code for path in paths for code in re.findall(r'"(upstream_[a-z_]+)"', path.read_text())
    }
    return found - set(Settings.model_fields)


WRITTEN = codes_in(PACKAGE / "errors.py", *(PACKAGE / "providers").rglob("*.py"))


@pytest.mark.parametrize("code", sorted(WRITTEN))
def test_every_code_word_that_the_provider_writes_has_advice(code: str) -> None:
    assert advice.by_code(code) != advice.UNKNOWN


def test_the_code_words_were_found() -> None:
    assert {"upstream_captcha_required", "upstream_forbidden", "upstream_error"} <= WRITTEN


@pytest.mark.parametrize("code", sorted(accounts._FINAL))
def test_every_final_refusal_of_the_auth_service_has_advice(code: str) -> None:
    assert advice.about(accounts._fault(400, code)) != advice.UNKNOWN


@pytest.mark.parametrize(
    "status", [301, 400, 401, 402, 403, 404, 422, 429, 500, 502, 503, 504, 546]
)
def test_every_refused_start_has_advice(status: int) -> None:
    assert advice.about(verdict.refused(status, {}, b"").fault) != advice.UNKNOWN


def test_a_special_code_wins_over_the_class_and_the_class_over_its_usual_code() -> None:
    captcha = SignUpRefused("No.", code="upstream_captcha_required")
    assert "captcha" in advice.about(captcha)
    gone, refused = accounts.CredentialGone("Gone."), errors.SessionRefused("No.")
    assert gone.code == refused.code == "upstream_auth_error"
    assert "UPSTREAM_REFRESH_TOKEN" in advice.about(gone)
    assert "SOCKET_URL" in advice.about(refused)


def test_a_prompt_that_the_upstream_refused_needs_no_code() -> None:
    assert "PROMPT_ID" in advice.about(BadRequest("No such prompt."))


def test_what_nobody_foresaw_has_advice_too() -> None:
    assert advice.about(GatewayError("What?", code="never_seen")) == advice.UNKNOWN
    assert advice.by_code(None) == advice.by_code("never_seen") == advice.UNKNOWN


def test_advice_names_only_settings_that_there_are() -> None:
    known = {name.upper() for name in Settings.model_fields} | {"SSL_CERT_FILE"}
    named = {
        word for text in advice.ADVICE.values() for word in re.findall(r"[A-Z]+_[A-Z_]+", text)
    }
    assert named <= known


def test_advice_is_one_line() -> None:
    assert not [text for text in advice.ADVICE.values() if "\n" in text or not text.endswith(".")]
