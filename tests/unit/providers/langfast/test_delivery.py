"""From the events of a socket to the runs that they belong to, where they lie and decoded."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langfast_wsgi.providers.langfast import delivery as delivery_module
from langfast_wsgi.providers.langfast import translate
from langfast_wsgi.providers.langfast.delivery import TELLINGS, Delivery
from langfast_wsgi.providers.langfast.frames import PACKET
from langfast_wsgi.providers.langfast.inbox import Inbox
from langfast_wsgi.providers.langfast.mailbox import Mailbox
from tests.unit.providers.langfast.test_increments import TEXTS, event

HEAD = b'["execution:chunk",{"executionId":"j",'


class Case:
    """Runs of one account, and a socket that brings their events."""

    def __init__(self, *ids: str) -> None:
        self.inbox = Inbox()
        self.boxes = {job_id: Mailbox() for job_id in ids or ("j",)}
        for job_id, box in self.boxes.items():
            self.inbox.expect(box)
            self.inbox.assign(box, job_id)
        self.delivery = Delivery(self.inbox)

    def goes_on(self, json: bytes, by: Delivery | None = None) -> bool:
        """Whether it is used where it lies."""
        payload = PACKET + json
        return (by or self.delivery).go_on(b"xx" + payload + b"stale", 2, 2 + len(payload))

    def come(self, json: bytes, by: Delivery | None = None) -> bool:
        """As it comes from the wire; whether it needed to be decoded as a whole."""
        goes_on = self.goes_on(json, by)
        if not goes_on:
            assert (by or self.delivery).take(json)
        return not goes_on

    def texts(self) -> list[str]:
        return [box._text for box in self.boxes.values()]


def decoded(case: Case, json: bytes) -> None:
    case.delivery.chunk(translate.loads(json)[1])


def test_an_event_that_goes_on_is_not_decoded_as_a_whole() -> None:
    case = Case()
    assert case.come(event("a"))
    assert not case.come(event("ab"))
    assert not case.come(event("ab"))
    assert case.texts() == ["ab"]


def test_nothing_goes_on_behind_an_end() -> None:
    case = Case()
    case.come(event("a"))
    case.boxes["j"].end("stop")
    assert not case.goes_on(event("ab")), "it is to be counted as late"


def test_what_one_socket_said_another_one_goes_on_with() -> None:
    """Both hear everything while one replaces the other."""
    case = Case()
    other = Delivery(case.inbox)
    assert case.come(event("a"))
    assert [case.come(event(text), by=other) for text in ("a", "ab")] == [False, False]
    assert [case.come(event(text)) for text in ("ab", "abc")] == [False, False]
    assert case.texts() == ["abc"]


def test_a_run_whose_events_always_change_elsewhere_is_not_looked_at_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, looks = Case(), list[bytes]()
    told = delivery_module.told
    monkeypatch.setattr(
        delivery_module, "told", lambda json, text: (looks.append(json), told(json, text))[1]
    )
    for number in range(50):
        assert case.come(event("a" * number, number=number))
    assert len(looks) == TELLINGS
    assert case.texts() == ["a" * 49]


@pytest.mark.parametrize(
    "second", [b'"executionId":"k",', b'"execution\\u0049d":"k",', b'"executionId":null,']
)
def test_an_id_that_is_said_twice_is_that_which_decoding_finds(second: bytes) -> None:
    case, plain = Case("j", "k"), Case("j", "k")
    for text in (b"a", b"ab"):
        said = HEAD + second + b'"content":"' + text + b'"}]'
        case.come(said)
        decoded(plain, said)
    assert case.texts() == plain.texts()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("jjjk"),  # whose
        TEXTS,
        st.sampled_from([True, True, True, False]),  # goes on with what that one said
        st.sampled_from([{}, {}, {}, {"status": "new"}, {"z": [1]}, {"executionId": "k"}]),
        st.booleans(),  # by which socket
    ),
    max_size=12,
)


@given(EVENTS, st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_run_has_the_texts_that_decoding_everything_finds(
    steps: Sequence[tuple[str, str, bool, dict[str, object], bool]], ascii_only: bool
) -> None:
    case, plain = Case("j", "k"), Case("j", "k")
    sockets = [case.delivery, Delivery(case.inbox)]
    said = {"j": "", "k": ""}
    for job_id, piece, goes_on, others, second in steps:
        said[job_id] = said[job_id] + piece if goes_on else piece
        fields = {"executionId": job_id, **others}
        json = event(said[job_id], ascii_only=ascii_only, **fields)
        case.come(json, by=sockets[second])
        decoded(plain, json)
        assert case.texts() == plain.texts()
