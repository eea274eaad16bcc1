"""The faults that one run can ask for, each with what it does."""

from collections.abc import Mapping

START_FAULTS: Mapping[str, str] = {
    "start-400": "the start answers 400",
    "start-401": "the start answers 401 and the token used is bad from then on (once per prompt)",
    "start-402": "the start answers 402",
    "start-403": "the start answers 403",
    "start-404": "the start answers 404",
    "start-422": "the start answers 422",
    "start-429": "the start answers 429, with Retry-After if `retry_after` is given",
    "start-500": "the start answers 500",
    "start-502": "the start answers 502",
    "start-503": "the start answers 503",
    "start-504": "the start answers 504",
    "start-546": "the start answers 546, as a worker over its limits does",
    "start-lost": "the run starts, but the connection is cut instead of the answer",
    "start-hang": "no answer for `seconds` (600); the run starts after that",
    "start-html": "the answer is an HTML page (with `status`, 200)",
    "start-empty-jobs": "the answer has an empty list of jobs",
    "start-many-jobs": "the answer names `size` (2) jobs, of which the first is the run",
    "no-jobs": "the answer has no jobs and the events no executionId",
    "early": "all events are sent before the start is answered",
}

RUN_FAULTS: Mapping[str, str] = {
    "fail": "an event with status `status` (failed) instead of chunk `at`",
    "drop": "the user's sockets are cut before chunk `at`; the run goes on",
    "drop-for-good": "the user's sockets are cut before chunk `at` and the run ends without a word",
    "kick": "the user's sockets get a namespace disconnect before chunk `at`; the run goes on",
    "freeze": "from chunk `at` on the user's sockets stay open and get nothing, not even pings",
    "bad-text": "a text frame that is no UTF-8 before chunk `at`",
    "bad-frame": "a WebSocket frame of a reserved kind before chunk `at`",
    "silent": "nothing any more from chunk `at` on",
    "duplicate": "each chunk twice",
    "reorder": "each second chunk before the one it should follow",
    "rewrite": "from chunk `at` on the text begins otherwise, with a ~",
    "delta": "each chunk holds only what is new",
    "split-surrogate": "an extra chunk that ends inside each character beyond U+FFFF",
    "no-completed-content": "the completed event has no text",
    "no-completed-event": "the run ends without a completed event, the sockets stay",
    "completion-finished-event": "the end is a completion_finished event",
    "late": "one more chunk and one more end after the end",
    "as-json-text": "the event's argument is a JSON text",
    "as-plain-text": "the event's argument is the plain text so far",
    "as-binary": "the text is a binary attachment",
    "extra-argument": "events have a second argument",
    "no-argument": "an event without any argument before each chunk",
    "unknown-status": "chunks have the status `status` (thinking)",
    "unknown-event": "an event of another name before each chunk",
    "unknown-run": "a chunk of a run that nobody started before each chunk",
    "big": "the text has `size` bytes (1000000)",
}

ALL_FAULTS = (*START_FAULTS, *RUN_FAULTS)
