"""What a caller may talk to: the gateway itself, or a proxy in front of one or more of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.haproxy import running_haproxy
from tests.support.nginx import running_nginx

FRONTS = ("direct", "nginx", "haproxy")


@contextmanager
def running_front(name: str, *upstreams: int) -> Iterator[int]:
    """The port on which these instances are reached through this front."""
    if name == "direct":
        yield upstreams[0]
        return
    with {"nginx": running_nginx, "haproxy": running_haproxy}[name](*upstreams) as front:
        yield front.port
