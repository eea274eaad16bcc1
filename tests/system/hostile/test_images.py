"""Addresses in a prompt: they are the upstream's business. The gateway itself never fetches."""

import socket
from collections.abc import Iterator

import psutil
import pytest

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import GatewayProcess

PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """Where nobody ought to connect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        yield listener


def part(url: str) -> list[dict[str, object]]:
    return [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url, "detail": "high"}},
    ]


def strangers(gateway: GatewayProcess, emulator: EmulatorProcess) -> set[tuple[str, int]]:
    """Addresses that the gateway's processes are connected to, but for callers and upstream."""
    processes = [psutil.Process(gateway.process.pid)]
    processes += processes[0].children(recursive=True)
    upstream = int(emulator.url.rpartition(":")[2])
    return {
        (one.raddr.ip, one.raddr.port)
        for process in processes
        for one in process.net_connections("inet")
        if one.raddr and one.laddr.port != gateway.port and one.raddr.port != upstream
    }


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/x.png",
        "http://localhost:{port}/x.png",
        "http://[::ffff:127.0.0.1]:{port}/x.png",
        "http://2130706433:{port}/x.png",
        "http://user:word@127.0.0.1:{port}/x.png",
        "gopher://127.0.0.1:{port}/_x",
        "//127.0.0.1:{port}/x.png",
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "../../etc/passwd",
        PIXEL,
        "",
    ],
)
def test_e32_an_images_address_is_passed_on_untouched_and_never_fetched(
    small: GatewayProcess, emulator: EmulatorProcess, trap: socket.socket, url: str
) -> None:
    named = url.replace("{port}", str(trap.getsockname()[1]))
    for stream in (False, True):
        response = small.chat(part(named), stream=stream)
        assert response.status_code == 200
        assert response.content
    assert emulator.runs()[-1]["prompt_meta"]["messages"][0]["content"] == part(named)
    with pytest.raises(TimeoutError):
        trap.accept()
    assert strangers(small, emulator) == set()


def test_e32_an_image_of_20_mb_is_too_large(gateway: GatewayProcess) -> None:
    response = gateway.chat(part("data:image/png;base64," + "A" * 20_000_000))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "request_too_large"


@pytest.mark.parametrize(
    "image", [None, "http://127.0.0.1/", {"url": 17}, {}, {"url": ["a"]}], ids=str
)
def test_e32_what_is_no_address_is_a_400(small: GatewayProcess, image: object) -> None:
    response = small.chat([{"type": "image_url", "image_url": image}])
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("messages[0].content[0].image_url")
