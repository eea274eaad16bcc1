"""What becomes of each field that a caller may send: one table for each dialect.

By these tables a dialect's ``parse`` accepts, reports or refuses, ``/v1/models/{id}`` tells
programs, and ``docs/openai-wire.md`` tells people.
"""
