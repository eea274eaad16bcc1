"""A few words that the processes of an instance share, in memory alone.

The refresh token of the operator's own account rotates: the one in the configuration serves once. A
worker that replaces another (after a crash, at a reload) needs its last successor, and a secret has
no business on a disk. The memory is made in the gunicorn master and inherited over the fork.
"""

import mmap
import struct

_SIZE = 16384
_LENGTH = struct.Struct("<I")


class Note:
    """One text. The last writer wins; there is one worker where there is an own account."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)

    def __repr__(self) -> str:
        return "<Note>"

    def read(self) -> str:
        """What was written last; empty at first."""
        (length,) = _LENGTH.unpack_from(self._memory)
        return self._memory[_LENGTH.size : _LENGTH.size + length].decode()

    def write(self, text: str) -> None:
        """Replace it. A text that does not fit is not kept."""
        content = text.encode()
        if len(content) > _SIZE - _LENGTH.size:
            content = b""
        self._memory[_LENGTH.size : _LENGTH.size + len(content)] = content
        _LENGTH.pack_into(self._memory, 0, len(content))


_shared: Note | None = None


def shared() -> Note:
    """The instance's note; made when first asked for, which a master does before it forks."""
    global _shared
    _shared = _shared or Note()
    return _shared
