"""A TLS listener that nobody has a reason to trust."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.certificate import certificate


@contextlib.contextmanager
def tls_server(folder: Path) -> Iterator[str]:
    """A TLS listener whose certificate nobody has signed but itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    one, _ = listener.accept()
                    with contextlib.suppress(OSError), one:
                        context.wrap_socket(one, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://localhost:{port}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(2)
