"""A few words that the processes of an instance share."""

import os

from langfast_wsgi import note
from langfast_wsgi.note import Note


def test_it_is_empty_at_first_and_holds_what_was_written_last() -> None:
    words = Note()
    assert words.read() == ""
    words.write("a long first text")
    words.write("short ä")
    assert words.read() == "short ä"


def test_what_does_not_fit_is_not_kept() -> None:
    words = Note()
    words.write("x")
    words.write("y" * 20_000)
    assert words.read() == ""


def test_a_child_and_its_parent_read_the_same_note() -> None:
    words = Note()
    child = os.fork()
    if child == 0:
        words.write("from the child")
        os._exit(0)
    os.waitpid(child, 0)
    assert words.read() == "from the child"


def test_the_instance_has_one_and_its_repr_says_nothing() -> None:
    assert note.shared() is note.shared()
    words = Note()
    words.write("secret")
    assert "secret" not in repr(words)
