"""Addresses of gateways."""

import pytest

from langfast_wsgi import settings
from langfast_wsgi.cli import address


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "http://127.0.0.1:8123"),
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),
        ("::", "http://[::1]:8123"),
        ("::1", "http://[::1]:8123"),
        ("gateway.test", "http://gateway.test:8123"),
    ],
)
def test_a_gateway_is_reached_where_it_listens(
    host: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENV_FILE", "")
    monkeypatch.delenv("PORT", raising=False)
    assert address.of_gateway(settings.load(host=host, port=8123)) == expected


@pytest.mark.parametrize(
    ("url", "api", "root"),
    [
        ("http://h:1", "http://h:1/v1", "http://h:1"),
        ("http://h:1/", "http://h:1/v1", "http://h:1"),
        ("http://h:1/v1", "http://h:1/v1", "http://h:1"),
        ("http://h:1/v1/", "http://h:1/v1", "http://h:1"),
        ("https://h/team/v1", "https://h/team/v1", "https://h/team"),
    ],
)
def test_the_api_and_its_root_follow_from_each_other(url: str, api: str, root: str) -> None:
    assert address.api(url) == api
    assert address.root(url) == root


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://h", "http://", "http://h:x", "http://h/?a", "http://[::"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(address.NoAddress, match="no address"):
        address.api(url)


def test_an_address_is_shown_without_a_password() -> None:
    assert address.shown("https://user:secret@h:8443/v1") == "https://h:8443"
    assert address.shown("http://[::1]:80/v1") == "http://[::1]:80"


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://localhost:8000", True),
        ("http://127.3.2.1/v1", True),
        ("http://[::1]:8000", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost@example.org", False),
        ("https://example.org", False),
    ],
)
def test_only_the_loopback_is_this_machine(url: str, own: bool) -> None:
    assert address.is_this_machine(url) is own
