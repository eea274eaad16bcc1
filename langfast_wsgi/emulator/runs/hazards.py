"""Faults as pure transformations of a plan: steps in, other steps out; the table is at the end.

House rule: a transformation keeps the sum of the waits before each chunk that it passes on, so that
faults can be combined.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from langfast_wsgi.emulator.replies.reply import Details
from langfast_wsgi.emulator.runs.steps import (
    COMPLETED,
    RUNNING,
    Cut,
    End,
    Raw,
    Say,
    Step,
    Steps,
)
from langfast_wsgi.emulator.sockets.events import TEXT, frame
from langfast_wsgi.emulator.sockets.packets import NOOP

Transformation = Callable[[Steps, Details], Steps]
_BEYOND_BMP = 0xFFFF
_HALF = "\ud83e"
_ENDLESS_SECONDS = 60.0
_ENDLESS_SIZE = 5_000_000
_SHORTEST_WAIT = 0.001  # what never ends must let others in
# A text frame that announces a terabyte: whatever follows is a part of it.
_HUGE_FRAME = b"\x81\x7f" + (1 << 40).to_bytes(8, "big")


def _is_chunk(step: Step) -> bool:
    return isinstance(step, Say) and step.status == RUNNING


def _reached(step: Step, details: Details) -> bool:
    # The end counts as reached however large `at` is: a fault that was asked for happens.
    return isinstance(step, Say) and (step.index >= details.at or step.status == COMPLETED)


def _fail(steps: Steps, details: Details) -> Steps:
    text = ""
    for step in steps:
        if isinstance(step, Say) and _reached(step, details):
            status = str(details.status or "failed")
            yield Say(step.after, text, step.index, status)
            yield End(0.0, "failed")
            return
        text = step.text if isinstance(step, Say) else text
        yield step


def _silent(steps: Steps, details: Details) -> Steps:
    for step in steps:
        if _reached(step, details):
            yield End(step.after, "silent")
            return
        yield step


def _drop_for_good(steps: Steps, details: Details) -> Steps:
    for step in steps:
        if _reached(step, details):
            yield Cut(step.after)
            yield End(0.0, "dropped")
            return
        yield step


def _preceded(before: Callable[[float], Step]) -> Transformation:
    def transformation(steps: Steps, details: Details) -> Steps:
        for step in steps:
            if _reached(step, details):
                # The chunk is due at the same moment; what comes later keeps its pace.
                yield before(step.after)
                yield replace(step, after=0.0)
                break
            yield step
        yield from steps

    return transformation


def _duplicate(steps: Steps, _: Details) -> Steps:
    for step in steps:
        yield step
        if _is_chunk(step):
            yield replace(step, after=0.0)


def _reorder(steps: Steps, _: Details) -> Steps:
    held: Step | None = None
    for step in steps:
        if held is None and _is_chunk(step):
            held = step
            continue
        if held is None:
            yield step
        elif _is_chunk(step):
            yield replace(step, after=held.after + step.after)
            yield replace(held, after=0.0)
        else:
            yield held
            yield step
        held = None


def _rewrite(steps: Steps, details: Details) -> Steps:
    for step in steps:
        if isinstance(step, Say) and _reached(step, details):
            yield replace(step, text="~" + step.text)
        else:
            yield step


def _delta(steps: Steps, _: Details) -> Steps:
    sent = 0
    for step in steps:
        if isinstance(step, Say) and _is_chunk(step):
            yield replace(step, text=step.text[sent:])
            sent = len(step.text)
        else:
            yield step


def _high_surrogate(character: str) -> str:
    return chr(0xD800 + ((ord(character) - 0x10000) >> 10))


def _split_surrogate(steps: Steps, _: Details) -> Steps:
    seen = 0
    for step in steps:
        after = step.after
        if isinstance(step, Say) and _is_chunk(step):
            for place in range(seen, len(step.text)):
                if ord(step.text[place]) > _BEYOND_BMP:
                    half = step.text[:place] + _high_surrogate(step.text[place])
                    yield replace(step, after=after, text=half)
                    after = 0.0
            seen = len(step.text)
        yield replace(step, after=after)


def _lone_surrogate(steps: Steps, _: Details) -> Steps:
    for step in steps:
        if isinstance(step, Say) and step.text:
            yield replace(step, text=step.text[:1] + _HALF + step.text[1:])
        else:
            yield step


def _endless(steps: Steps, details: Details) -> Steps:
    wait = 0.0
    for step in steps:
        if isinstance(step, Say) and step.status == COMPLETED:
            yield from _again(step, max(wait, _SHORTEST_WAIT), details)
            return
        wait = step.after
        yield step


def _again(whole: Say, wait: float, details: Details) -> Steps:
    seconds = _ENDLESS_SECONDS if details.seconds is None else details.seconds
    text = whole.text
    index = whole.index
    while text and len(text) < (details.size or _ENDLESS_SIZE) and seconds > 0:
        text += whole.text
        yield Say(wait, text, index)
        index += 1
        seconds -= wait
    yield End(0.0, "silent")


def _no_completed_content(steps: Steps, _: Details) -> Steps:
    for step in steps:
        if isinstance(step, Say) and step.status == COMPLETED:
            yield replace(step, text="")
        else:
            yield step


def _no_completed_event(steps: Steps, _: Details) -> Steps:
    for step in steps:
        if isinstance(step, Say) and step.status == COMPLETED:
            yield End(step.after, "silent")
        else:
            yield step


def _unknown_status(steps: Steps, details: Details) -> Steps:
    for step in steps:
        if isinstance(step, Say) and _is_chunk(step):
            yield replace(step, status=str(details.status or "thinking"))
        else:
            yield step


def _late(steps: Steps, _: Details) -> Steps:
    for step in steps:
        yield step
        if isinstance(step, Say) and step.status == COMPLETED:
            yield replace(step, after=0.0, text=step.text + " (late)", status=RUNNING)
            yield replace(step, after=0.0, text=step.text + " (late)")


# In this order, however they are asked for: first what changes texts, then what repeats and
# reorders events, then what cuts the run short, then what happens to its end.
TRANSFORMATIONS: Mapping[str, Transformation] = {
    "endless": _endless,
    "lone-surrogate": _lone_surrogate,
    "rewrite": _rewrite,
    "split-surrogate": _split_surrogate,
    "delta": _delta,
    "reorder": _reorder,
    "duplicate": _duplicate,
    "fail": _fail,
    "silent": _silent,
    "drop-for-good": _drop_for_good,
    "drop": _preceded(lambda after: Cut(after, "abort")),
    "close": _preceded(lambda after: Cut(after, "close")),
    "kick": _preceded(lambda after: Cut(after, "kick")),
    "no-pings": _preceded(lambda after: Cut(after, "no-pings")),
    "freeze": _preceded(lambda after: Cut(after, "freeze")),
    "bad-text": _preceded(lambda after: Raw(after, b"\x81\x02\xff\xfe")),
    "bad-frame": _preceded(lambda after: Raw(after, b"\x8f\x00")),
    "huge-frame": _preceded(lambda after: Raw(after, _HUGE_FRAME)),
    "bad-packet": _preceded(lambda after: Raw(after, frame(TEXT, b"4nonsense"))),
    "noop": _preceded(lambda after: Raw(after, frame(TEXT, NOOP.encode()))),
    "unknown-status": _unknown_status,
    "no-completed-content": _no_completed_content,
    "no-completed-event": _no_completed_event,
    "late": _late,
}


def hazarded(steps: Steps, faults: frozenset[str], details: Details) -> Steps:
    """The plan with these faults in it."""
    for name, transformation in TRANSFORMATIONS.items():
        if name in faults:
            steps = transformation(steps, details)
    return steps
