"""JSON from a model that writes plain text: told in the prompt, taken from the answer, checked.

``form.py`` is what a request wants; ``judging.py`` is the stage.
"""
