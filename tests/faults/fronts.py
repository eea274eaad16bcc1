"""What a caller may talk to: the gateway itself, or a proxy in front of one or more of them."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.gateway import free_port, wait_for
from tests.support.haproxy import running_haproxy
from tests.support.nginx import NginxProcess, configuration, needs_nginx, program

FRONTS = ("direct", "nginx", "haproxy")


@contextmanager
def running_front(name: str, *upstreams: int) -> Iterator[int]:
    """The port on which these instances are reached through this front."""
    if name == "direct":
        yield upstreams[0]
    elif name == "nginx":
        with _running_nginx(*upstreams) as port:
            yield port
    else:
        with running_haproxy(*upstreams) as haproxy:
            yield haproxy.port


@contextmanager
def _running_nginx(*upstreams: int) -> Iterator[int]:
    """deploy/nginx.conf with a line for each instance, as its comment says."""
    needs_nginx()
    path, port = program(), free_port()
    assert path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # its workers are nobody's where root runs the tests
        first = f"server 127.0.0.1:{upstreams[0]};"
        servers = " ".join(f"server 127.0.0.1:{upstream};" for upstream in upstreams)
        text = configuration(folder, port, upstreams[0]).replace(first, servers)
        (folder / "nginx.conf").write_text(text)
        log = folder / "error.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [path, "-e", str(log), "-p", name, "-c", "nginx.conf", "-g", "daemon off;"],
                stderr=errors,
                start_new_session=True,
            )
        nginx = NginxProcess(process, port, folder)
        try:
            wait_for(nginx.answers, f"nginx to answer: {log.read_text()}")
            yield port
        finally:
            nginx.stop()
