"""From polling to WebSocket: the probe, and the packet that completes the upgrade.

While it goes on, packets still go to the polls; a poll that has nothing to wait for is let go, so
that the client can stop polling.
"""

from langfast_wsgi.emulator.sockets import packets
from langfast_wsgi.emulator.sockets.polling import Polling
from langfast_wsgi.emulator.sockets.session import Session
from langfast_wsgi.emulator.sockets.timer import Timer
from langfast_wsgi.emulator.sockets.websocket import WebSocket
from langfast_wsgi.emulator.web import Environ

_PATIENCE = 10.0  # seconds for a client to complete what it began


def is_upgrade(environ: Environ) -> bool:
    """Whether a request wants to become a WebSocket."""
    options = environ.get("HTTP_CONNECTION", "").lower().split(",")
    wanted = environ.get("HTTP_UPGRADE", "").lower()
    return wanted == "websocket" and "upgrade" in map(str.strip, options)


def upgraded(session: Session, websocket: WebSocket) -> bool:
    """Do the client's part of the upgrade, in its order; whether it came to its end."""
    polling = session.transport
    if session.over or session.upgrading or not isinstance(polling, Polling):
        return False
    session.upgrading = True
    patience = Timer()
    patience.start(_PATIENCE, websocket.close)
    try:
        return _probed(session, polling, websocket)
    finally:
        patience.stop()
        session.upgrading = False


def _probed(session: Session, polling: Polling, websocket: WebSocket) -> bool:
    if websocket.wait() != packets.PING + packets.PROBE:
        return False
    websocket.send(packets.PONG + packets.PROBE)
    polling.release()
    if websocket.wait() != packets.UPGRADE or session.over:
        return False
    session.upgraded(websocket)
    return True
