"""What ``langfast doctor`` prints, read for tests, and emulators with something wrong."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.support.emulator import EmulatorProcess
from tests.support.gateway import free_port, towards
from tests.unit.cli.command import langfast

EMAIL, PASSWORD = "operator@example.org", "a-password-of-ours"
UPSTREAM = ["auth service", "sign-in", "socket", "run"]
GATEWAY = ["gateway", "gateway ready", "gateway chat"]


@contextmanager
def faults(emulator: EmulatorProcess, **services: Mapping[str, Any]) -> Iterator[None]:
    emulator.faults(**services)
    try:
        yield
    finally:
        emulator.clear_faults()


class Report:
    """What it printed: by name of the check, the sign and the rest of the line."""

    def __init__(self, done: "subprocess.CompletedProcess[bytes]", *secrets: str) -> None:
        self.text = done.stdout.decode()
        self.code = done.returncode
        self.lines = {line[2:17].strip(): (line[0], line[18:]) for line in self.text.splitlines()}
        assert done.stderr == b""
        for secret in (*secrets, "eyJ"):
            assert secret not in self.text

    def signs(self, names: list[str]) -> str:
        return "".join(self.lines[name][0] for name in names)

    def says(self, name: str) -> str:
        return self.lines[name][1]


def examined(emulator: EmulatorProcess | None, *arguments: str, **settings: object) -> Report:
    """The report for these settings; no gateway runs unless PORT names one."""
    upstream = towards(emulator) if emulator else {}
    given = {"HOST": "127.0.0.1", "PORT": free_port(), **upstream, **settings}
    secrets = [emulator.anon_key] if emulator else []
    done = langfast("doctor", *arguments, **given)
    return Report(done, PASSWORD, *secrets)
