"""What ``langfast emulate`` tells a person."""

import io
import json

from langfast_wsgi.cli.emulate import _Announcement, explained

INFO = {"url": "http://127.0.0.1:8100", "anon_key": "key", "prompt_id": "id", "models": []}


def test_the_announcement_is_told_as_settings() -> None:
    assert explained(json.dumps(INFO)).splitlines() == [
        "# The emulator listens at http://127.0.0.1:8100. These settings point a gateway at it:",
        "SUPABASE_URL=http://127.0.0.1:8100",
        "SUPABASE_ANON_KEY=key",
        "SOCKET_URL=http://127.0.0.1:8100",
        "PROMPT_ID=id",
    ]


def test_stdout_keeps_the_line_and_stderr_explains_it_once() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    announcement, line = _Announcement(stdout, stderr), json.dumps(INFO)
    for text in (line[:9], line[9:], "\n", "more\n"):
        announcement.write(text)
        announcement.flush()
    assert stdout.getvalue() == f"{line}\nmore\n"
    assert stderr.getvalue() == explained(line)
