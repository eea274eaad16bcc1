"""Tool calls on a model that writes plain text: told in the prompt, read from the answer, checked.

``offer.py`` is what a request allows; ``prompt.py`` and ``history.py`` put it into words;
``opening.py`` tells from the first characters whether an answer calls, ``reading.py`` finds the
calls, ``checking.py`` lets only valid ones pass; ``judging.py`` is the stage.
"""
