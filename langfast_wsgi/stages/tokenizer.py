"""Counting tokens offline, with the o200k_base table that rs-bpe carries.

The table costs 67 MB and 0.1 s: the gunicorn master loads it once, so that the workers share its
pages. rs-bpe has no build for Python 3.14 yet; there a token is taken for four bytes.
"""

import functools
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


@functools.cache
def load() -> Callable[[str], int]:
    """The counter; loads the table when first called."""
    try:
        from rs_bpe import openai
    except ImportError:
        log.warning("no tokenizer for this Python: usage is estimated, four bytes to a token")
        return lambda text: -(-len(text.encode()) // 4)
    count: Callable[[str], int] = openai.o200k_base().count
    return count


def count(text: str) -> int:
    """Tokens of a text that is valid Unicode."""
    return load()(text)
