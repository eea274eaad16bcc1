"""The stand-in for the upstream: auth, start-a-run and the Socket.IO runner on one port.

It imports nothing else of the package, or it would agree with the package's own mistakes. Importing
it changes nothing: gevent patches and the server starts only inside :func:`serve`.
"""

from langfast_wsgi.emulator.options import Options

__all__ = ["Options", "serve"]


def serve(options: Options) -> int:
    """Serve until a signal, the end of stdin or a failure to start; gives the exit code."""
    from gevent import monkey

    # Nothing here speaks TLS, and patching ssl after an import of it is a warning.
    monkey.patch_all(ssl=False)
    from langfast_wsgi.emulator.process import run

    return run(options)
