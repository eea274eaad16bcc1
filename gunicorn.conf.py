"""gunicorn's configuration, read by itself. What each line is for: docs/operations.md"""

from gevent import monkey

monkey.patch_all()  # before anything imports ssl

import os  # noqa: E402
import pathlib  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import weakref  # noqa: E402

from langfast_wsgi import (  # noqa: E402
    embedded,
    exposure,
    memory_folder,
    note,
    runtime,
    settings,
    uploads,
)
from langfast_wsgi.observe import access, logs  # noqa: E402
from langfast_wsgi.stages import tokenizer  # noqa: E402

try:
    chosen = settings.adopt(exposure.check)
except settings.SettingsError as error:
    chosen = settings.keep()
    if chosen is None:
        sys.exit(f"langfast: {error}")
    print(f"langfast: the reload keeps the settings it had. {error}", file=sys.stderr)

worker_class = "gevent"
bind = chosen.bind
workers = min(chosen.web_concurrency, chosen.credential_limit)
worker_connections = max(1000, 2 * chosen.max_runs)  # above our own limit, which answers 503
keepalive = 5
timeout = 30
graceful_timeout = round(chosen.drain_seconds + 5)
max_requests = 0  # a restart would cut streams
preload_app = False
control_socket_disable = True
forwarder_headers = "LANGFAST-NO-SUCH-HEADER"  # never SCRIPT_NAME, PATH_INFO from outside
logconfig_dict = logs.config(chosen)
accesslog = "-"
logger_class = access.AccessLog
access_log_format = access.FORMAT


def on_starting(server):
    """In the master, before any worker: refuse what is unsafe, start what all share."""
    hosts = []
    for address in server.cfg.address:  # what it really resolved: -b and GUNICORN_CMD_ARGS win
        host = address[0] if isinstance(address, tuple) else ""  # a descriptor: nobody knows
        hosts.append("localhost" if isinstance(address, str) else host)  # a Unix socket is local
    exposure.listen(hosts)  # for a reload, which may expose more
    for host in hosts:
        danger = exposure.danger(chosen, host)
        if danger:
            sys.exit(f"langfast: {exposure.sentence(danger, host)}")
    if server.cfg.workers > chosen.credential_limit:
        sys.exit(
            f"langfast: {server.cfg.workers} workers cannot share {chosen.credential_limit}"
            " credentials. Raise MAX_CREDENTIALS or start fewer workers."
        )
    if chosen.web_concurrency > server.cfg.workers:
        server.log.warning("%d workers: there is one credential for each", server.cfg.workers)
    # Before anything imports prometheus-client. A folder of our own that is inherited belongs to
    # the master that runs until this one, started by USR2, has taken over.
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ or "LANGFAST_OWN_FOLDER" in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="langfast-")
        os.environ["LANGFAST_OWN_FOLDER"] = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    for left in pathlib.Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob("*.db"):
        left.unlink()  # figures of a master before us, where the folder is the operator's
    for name in settings.unknown_names():
        server.log.warning("the settings file names %s, which is no setting", name)
    if chosen.embedded:
        embedded.start()
    note.shared()
    memory_folder.make()
    server.replaced = note.Note()  # the newest worker that others replace, by its age
    tokenizer.load()  # once, so that the workers share its pages


def on_reload(server):
    """The emulator outlives a reload, and is brought back by one if it died."""
    server.replaced.write(str(server.worker_age))  # before they are told to end
    if chosen.embedded:
        embedded.start()


def nworkers_changed(server, new_value, old_value):
    """TTIN would make workers for which there are no credentials."""
    if old_value is not None and new_value > server.cfg.workers:
        server.log.warning("no more workers by signal: set WEB_CONCURRENCY and reload")
        server._num_workers = server.cfg.workers


def pre_fork(server, worker):
    """Each worker takes the slot that fewest others hold: its share of the credentials."""
    slots = [other.slot for other in server.WORKERS.values()]
    worker.slot = min(range(server.num_workers), key=slots.count)
    worker.of = server.num_workers
    worker.is_replaced = lambda: int(server.replaced.read() or 0) >= worker.age


def post_fork(server, worker):
    """The emulator lives as long as the master, not as long as a worker."""
    embedded.release()


def when_ready(server):
    """One line that says it all."""
    runtime.limit_patience(server.LISTENERS, chosen.write_timeout)
    upstream = "the embedded emulator" if chosen.embedded else chosen.supabase_url
    access = "with a key" if chosen.api_keys else "open, no key"
    where = ", ".join(str(listener) for listener in server.LISTENERS)
    server.log.info("ready: %s/v1 · upstream: %s · %s", where, upstream, access)


def post_worker_init(worker):
    """In the worker, patched and with the application loaded: the background work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the master's to pass on, once
    tokenizer.let_others = runtime.let_others
    langfast = worker.wsgi.extensions["langfast"]
    langfast.start(worker.slot, worker.of)
    # A worker that ends goes on accepting for up to a second. Who is replaced serves what it
    # accepts: the service goes on, so nobody is to be refused.
    runtime.watch_drain(lambda: worker.alive, lambda: langfast.drain(replaced=worker.is_replaced()))
    runtime.settle_memory()


def worker_exit(server, worker):
    """Join the background work."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["langfast"].stop()


def child_exit(server, worker):
    """A dead worker's gauges no longer count."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)


def on_exit(server):
    """The emulator and our folder go with the master."""
    embedded.stop()
    memory_folder.remove()
    shutil.rmtree(os.environ.pop("LANGFAST_OWN_FOLDER", "/nonexistent"), ignore_errors=True)


def pre_request(worker, req):
    """A body that may be endless is never drained to keep the connection: that freezes a worker."""
    req.body.langfast_request = weakref.ref(req)  # see uploads.refuse_body
    uploads.hold_continue(req)
    for name, value in req.headers:
        if name == "TRANSFER-ENCODING" or (
            name == "CONTENT-LENGTH" and int(value) > chosen.max_body_bytes
        ):
            req.force_close()


def post_request(worker, req, environ, resp):
    """A caller whose body was not read gets to read why; idling is limited by keepalive alone."""
    runtime.limit_writes(environ, None)
    spent = req.must_close and not environ.get(uploads.READ)
    if environ.get(uploads.UNREAD) or spent:
        uploads.linger(environ["gunicorn.socket"])
