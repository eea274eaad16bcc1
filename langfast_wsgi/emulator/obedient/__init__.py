"""What a model without intelligence, but obedient to its prompt, would answer."""

from langfast_wsgi.emulator.obedient.answering import answer

__all__ = ["answer"]
