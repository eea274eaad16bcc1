"""What ``langfast serve`` hands to gunicorn."""

from pathlib import Path

import pytest

from langfast_wsgi import settings
from langfast_wsgi.cli import serve
from langfast_wsgi.cli.failure import Unusable
from tests.support.gateway import ROOT


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_without_options_nothing_changes() -> None:
    assert serve.environment(None, None, None) == {}


def test_options_become_settings() -> None:
    assert serve.environment("::1", 81, 3) == {
        "HOST": "::1",
        "PORT": "81",
        "WEB_CONCURRENCY": "3",
    }


@pytest.mark.parametrize(
    ("host", "expected"), [("", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1")]
)
def test_a_port_alone_does_not_open_the_service_to_others(
    host: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", host)
    assert serve.environment(None, 81, None) == {"HOST": expected, "PORT": "81"}


def test_an_option_wins_over_a_setting_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    assert serve.environment(None, None, 2) == {"WEB_CONCURRENCY": "2"}
    with pytest.raises(settings.SettingsError):
        serve.environment(None, None, None)


def test_the_configuration_of_the_current_folder_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert serve.configuration() == ROOT / "gunicorn.conf.py"
    (tmp_path / "gunicorn.conf.py").touch()
    assert serve.configuration() == tmp_path / "gunicorn.conf.py"


def test_without_a_configuration_there_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        serve.langfast_wsgi, "__file__", str(tmp_path / "site" / "langfast_wsgi" / "__init__.py")
    )
    with pytest.raises(Unusable, match=r"neither in the current folder nor beside the package"):
        serve.configuration()
