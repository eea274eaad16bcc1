"""A network that is slow, or away for a while, holds the gateway up for no longer than that."""

import pytest

from tests.support.emulator import running_emulator
from tests.support.fault_proxy import running_proxy
from tests.support.gateway import GatewayProcess, running_gateway, wait_for
from tests.support.toxics import Bandwidth, Down


def has_counted(gateway: GatewayProcess, series: str) -> bool:
    return any(series in name and value for name, value in gateway.metrics().items())


@pytest.mark.parametrize(
    ("setting", "series"),
    [
        pytest.param("SUPABASE_URL", "langfast_sign_ups_total", id="a4-sign-up"),
        pytest.param("SOCKET_URL", "langfast_socket_connects_total", id="c4-handshake"),
    ],
)
def test_a4_c4_what_drips_is_given_up_at_its_deadline_in_total(setting: str, series: str) -> None:
    """A byte now and then, from the first one of the answer's head, is no sign of life."""
    with (
        running_emulator() as upstream,
        running_proxy(upstream.url) as proxy,
        proxy.poisoned(Bandwidth(20)),
        running_gateway(
            upstream,
            ready=False,
            MIN_CREDENTIALS=1,
            SIGNUP_TIMEOUT=1,
            CONNECT_TIMEOUT=1,
            **{setting: proxy.url},
        ) as gateway,
    ):
        wait_for(lambda: proxy.accepted, "the first attempt")
        wait_for(lambda: has_counted(gateway, series), "it to be given up", 4)


def test_c3_a_token_that_went_bad_while_the_socket_service_was_away_is_refreshed() -> None:
    with (
        running_emulator() as upstream,
        running_proxy(upstream.url) as proxy,
        running_gateway(
            upstream, SOCKET_URL=proxy.url, MIN_CREDENTIALS=1, MAX_CREDENTIALS=1, QUEUE_TIMEOUT=1
        ) as gateway,
    ):
        with proxy.poisoned(Down()):
            wait_for(lambda: has_counted(gateway, "upstream_unavailable"), "a failed attempt")
            upstream.expire_tokens()
        wait_for(lambda: gateway.chat("x").status_code == 200, "service", 15)
        assert (upstream.stats()["sign_ups"], upstream.stats()["refreshes"]) == (1, 1)
