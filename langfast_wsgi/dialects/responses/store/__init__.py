"""Where responses are kept: in a file that the workers of an instance share, or in Redis.

A room of its own, because it is the one part of a dialect that does I/O beside the request: sqlite3
and redis are imported nowhere else. Keeping a response never fails the request that made it.
"""
