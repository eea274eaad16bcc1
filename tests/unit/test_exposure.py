"""What must not be served where others can reach it."""

from typing import Any

import pytest

from langfast_wsgi.exposure import (
    EMULATOR_TO_ALL,
    OPEN_TO_ALL,
    danger,
    is_loopback,
    network_of,
    sentence,
)
from langfast_wsgi.settings import Settings

OURS = {
    "supabase_url": "http://auth",
    "supabase_anon_key": "anon",
    "socket_url": "http://sockets",
    "prompt_id": "p",
}


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"]
)
def test_only_this_machine_reaches_a_loopback_address(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "[::]", "10.0.0.1", "::ffff:10.0.0.1", "example.org", "nonsense"]
)
def test_others_reach_any_other(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nonsense", "nonsense"),
    ],
)
def test_what_one_caller_has_at_his_disposal_is_one_network(host: str, network: str) -> None:
    assert network_of(host) == network


@pytest.mark.parametrize(
    ("options", "host", "word"),
    [
        ({}, "127.0.0.1", None),
        ({}, "0.0.0.0", OPEN_TO_ALL),
        ({"allow_open_access": True}, "0.0.0.0", EMULATOR_TO_ALL),
        ({"api_master_key": "sk-1"}, "0.0.0.0", EMULATOR_TO_ALL),
        ({"api_master_key": "1"}, "0.0.0.0", OPEN_TO_ALL),
        ({"api_master_key": "sk-1", "emulator": True}, "0.0.0.0", None),
        ({"api_master_key": "sk-1", **OURS}, "0.0.0.0", None),
        ({"allow_open_access": True, **OURS}, "0.0.0.0", None),
        (OURS, "0.0.0.0", OPEN_TO_ALL),
        (OURS, "127.0.0.1", None),
    ],
    ids=repr,
)
def test_the_danger_as_a_table(options: dict[str, Any], host: str, word: str | None) -> None:
    assert danger(Settings(_env_file=None, **options), host) == word


@pytest.mark.parametrize("word", [OPEN_TO_ALL, EMULATOR_TO_ALL])
def test_the_operator_is_told_where_and_what_to_do(word: str) -> None:
    said = sentence(word, "0.0.0.0")
    assert "0.0.0.0" in said
    assert "if that is meant" in said
