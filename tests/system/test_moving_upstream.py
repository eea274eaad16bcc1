"""An upstream that moves to another address while the gateway runs."""

import json
import uuid
from pathlib import Path

from tests.support.emulator import running_emulator
from tests.support.gateway import free_port, running_gateway, wait_for

NAME = "upstream.test"
KEY = "anon-key-of-both"

#: What a machine's name service would say, as every Python process of the gateway sees it. It is
#: put where nothing has looked up a name yet, below gevent and below the standard library.
NAME_SERVICE = f"""
import _socket, json
_ask = _socket.getaddrinfo

def getaddrinfo(host, *rest, **more):
    if host in ({NAME!r}, {NAME.encode()!r}):
        host = json.load(open(HOSTS))[{NAME!r}]
    return _ask(host, *rest, **more)

_socket.getaddrinfo = getaddrinfo
"""


def test_d18_the_next_connection_goes_to_where_the_name_leads_by_then(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({NAME: "127.0.0.1"}))
    (tmp_path / "sitecustomize.py").write_text(f"HOSTS = {str(hosts)!r}\n{NAME_SERVICE}")
    port = str(free_port())
    here = ("--port", port, "--anon-key", KEY)
    with (
        running_emulator(*here) as old,
        running_emulator("--host", "127.0.0.2", *here) as new,
        running_gateway(
            PYTHONPATH=tmp_path,
            SUPABASE_URL=f"http://{NAME}:{port}",
            SOCKET_URL=f"http://{NAME}:{port}",
            SUPABASE_ANON_KEY=KEY,
            PROMPT_ID=uuid.uuid4(),
            MIN_CREDENTIALS=1,
            MAX_CREDENTIALS=1,
            QUEUE_TIMEOUT=1,
        ) as gateway,
    ):
        assert gateway.chat("x").status_code == 200
        assert (old.stats()["starts"], new.stats()["starts"]) == (1, 0)
        hosts.write_text(json.dumps({NAME: "127.0.0.2"}))
        old.stop()
        wait_for(lambda: gateway.chat("x").status_code == 200, "service by the new one", 30)
        stats = new.stats()
        assert stats["starts"] >= 1
        assert stats["connects"] >= 1
