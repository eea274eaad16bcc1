"""What the processes of a gateway hold: memory, descriptors, threads, by the operating system."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Held:
    """All of a gateway's workers together."""

    memory: int  # resident, in bytes
    descriptors: int
    threads: int
    workers: int


def workers(master: int) -> list[psutil.Process]:
    """gunicorn's workers: the master's children but for the embedded emulator."""
    children = psutil.Process(master).children()
    return [one for one in children if "langfast_wsgi.emulator" not in _command(one)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def held(master: int) -> Held:
    """What the workers hold at this moment."""
    memory = descriptors = threads = count = 0
    for worker in workers(master):
        try:
            with worker.oneshot():
                memory += worker.memory_info().rss
                descriptors += worker.num_fds()
                threads += worker.num_threads()
                count += 1
        except psutil.Error:  # ended while we looked
            continue
    return Held(memory, descriptors, threads, count)


def resident(master: int) -> int:
    """Resident memory of the workers, in bytes."""
    return held(master).memory
