"""The handler of all log records: standard error, which is never waited for.

What is kept back (see ``sink``) is pushed on by the next record, by a task that lives as long as
something is kept, and for a moment when the process ends.
"""

import _thread
import logging
import os
import sys
import time
import traceback
from contextlib import nullcontext

from langfast_wsgi.observe.sink import Sink

SHORTEST_PAUSE = 0.005
LONGEST_PAUSE = 0.2
LAST_PATIENCE = 0.5
METRICS = "langfast_wsgi.observe.metrics"


class StandardError(logging.Handler):
    """Writes lines to the descriptor of ``sys.stderr``; to the stream itself where it has none."""

    def __init__(self) -> None:
        super().__init__()
        self._sink: Sink | None = None
        self._counted = self._told = 0
        self._pushing_in = 0

    def __repr__(self) -> str:
        return f"<StandardError {self._sink}>"

    def emit(self, record: logging.LogRecord) -> None:
        """Write, keep or drop the record's line."""
        try:
            line = self.format(record)
        except Exception:  # a call whose arguments do not fit must not cost a caller his answer
            line = f"a log record could not be formatted: {record.msg!r}\n{traceback.format_exc()}"
        self._put(line)

    def flush(self) -> None:
        """At the end, or when the logging is set up anew: a little patience for what is kept."""
        until = time.monotonic() + LAST_PATIENCE
        while self._sink and self._push() and time.monotonic() < until:
            time.sleep(0.01)

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._sink:
            self._sink.close()
            self._sink = None
        super().close()

    def _put(self, line: str) -> None:
        if self._sink is None:
            try:
                self._sink = Sink(sys.stderr.fileno())
            except (OSError, ValueError, AttributeError):  # no descriptor, a closed one, no stream
                self._put_on_stream(line)
                return
            self._counted = self._told = 0
        self._sink.put(f"{line}\n".encode("utf-8", "backslashreplace"))
        self._account(self._sink)
        # Not a Thread: its start waits, and a record may come from where nobody may wait.
        if self._sink.kept and self._pushing_in != os.getpid():
            self._pushing_in = os.getpid()
            _thread.start_new_thread(self._push_on, ())

    def _put_on_stream(self, line: str) -> None:
        if sys.stderr is not None and not sys.stderr.closed:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def _push_on(self) -> None:
        """Beside everything else, until nothing is kept: more often while somebody reads."""
        left, pause = 1, SHORTEST_PAUSE
        while left:
            time.sleep(pause)
            with self.lock or nullcontext():
                before, left = left, self._push()
                pause = SHORTEST_PAUSE if left != before else min(2 * pause, LONGEST_PAUSE)
                if not left:
                    self._pushing_in = 0
                    self._tell()

    def _push(self) -> int:
        """How much is still kept."""
        if self._sink is None:
            return 0
        self._sink.push()
        self._account(self._sink)
        return self._sink.kept

    def _account(self, sink: Sink) -> None:
        """Count what was dropped; a master must not load the metrics before it named their folder,
        so they are looked for, not imported.
        """
        new, self._counted = sink.dropped - self._counted, sink.dropped
        counter = getattr(sys.modules.get(METRICS), "LOG_LINES_DROPPED", None)
        if new and counter is not None:
            counter.inc(new)

    def _tell(self) -> None:
        """One line about the lines that are missing, where they are missed."""
        if self._sink is None or self._sink.dropped == self._told:
            return
        lost, self._told = self._sink.dropped - self._told, self._sink.dropped
        said = "%d log lines were dropped: whoever reads them did not keep up"
        self._put(
            self.format(
                logging.LogRecord(__name__, logging.WARNING, __file__, 0, said, (lost,), None)
            )
        )
