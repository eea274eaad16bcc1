"""Whether the upstream is an emulator, and what it offers."""

import threading
import time

from langfast_wsgi.providers.langfast.offer import Offer


def never() -> tuple[str, ...]:
    raise AssertionError("nobody may be asked")


def test_the_embedded_emulator_is_known_and_never_asked() -> None:
    offer = Offer(True, ("echo",), never)
    offer.answered("1")
    assert offer.emulator
    assert offer.models(1.0) == ("echo",)
    assert repr(offer) == "<Offer emulator 1 models>"


def test_an_upstream_without_the_mark_is_never_asked() -> None:
    offer = Offer(False, (), never)
    offer.answered(None)
    assert not offer.emulator
    assert offer.models(1.0) == ()
    assert repr(offer) == "<Offer upstream 0 models>"


def test_an_upstream_with_the_mark_is_asked_once() -> None:
    asked: list[int] = []

    def ask() -> tuple[str, ...]:
        asked.append(1)
        return ("echo", "count")

    offer = Offer(False, (), ask)
    offer.answered("1")
    offer.answered("1")
    assert offer.emulator
    assert offer.models(1.0) == ("echo", "count")
    assert asked == [1]


def test_the_first_answer_settles_the_question() -> None:
    offer = Offer(False, (), never)
    offer.answered(None)
    offer.answered("1")
    assert not offer.emulator


def test_a_question_right_after_the_start_waits_for_the_first_answer() -> None:
    offer = Offer(False, (), lambda: ("echo",))
    timer = threading.Timer(0.01, offer.answered, ["1"])
    timer.start()
    assert offer.models(1.0) == ("echo",)
    timer.join()


def test_an_emulator_that_could_not_say_its_models_is_asked_with_the_next_answer() -> None:
    said = iter([(), ("echo",)])
    offer = Offer(False, (), lambda: next(said))
    offer.answered("1")
    assert offer.emulator
    assert offer.models(0.01) == ()
    offer.answered("1")
    assert offer.models(0.01) == ("echo",)


def test_the_patience_is_counted_from_the_first_question_and_not_again() -> None:
    offer = Offer(False, (), never)
    begun = time.monotonic()
    assert offer.models(0.03) == ()
    first = time.monotonic() - begun
    begun = time.monotonic()
    assert offer.models(0.03) == ()
    assert first >= 0.025 > time.monotonic() - begun
