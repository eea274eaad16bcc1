"""Counting tokens offline, with the o200k_base table that rs-bpe carries.

The table costs 67 MB and 0.1 s: the gunicorn master loads it once, so that the workers share its
pages. rs-bpe has no build for Python 3.14 yet; there a token is taken for four bytes.

A megabyte takes up to 80 ms, in which nobody else has a turn. So a long text is counted in slices,
between which others may have theirs. They end where the table's own rules never join two
characters, so that the slices have as many tokens as the whole; only a text without any such place
for a while (a word without end) may count a token more or less for each cut.
"""

import functools
import logging
import re
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

SLICE = 32_768  # characters: one to three milliseconds
SEARCHED = 2048  # characters behind them for a place to cut

_BORDER = re.compile(
    r"(?<=\S)(?= )"  # what stands before a space never takes it along
    # A word may have marks and a contraction behind it, but no other sign.
    r"|(?<=[^\W_])(?=[\t\n\r!-&(-/:-@\[-`{-~\u3000-\u3002\uff01\uff0c\uff1a\uff1b\uff1f])"
    r"|(?<=[A-Za-z])(?=[0-9])"
)


def _nobody() -> None:
    pass


#: Called between slices: whoever has waited meanwhile may go on. Set by who knows how.
let_others: Callable[[], None] = _nobody

_counted = 0  # characters since others had a turn, in whatever text


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
    """Tokens of a text that is valid Unicode. Others may have a turn meanwhile."""
    global _counted
    counter, tokens = load(), 0
    for piece in slices(text):
        tokens += counter(piece)
        _counted += len(piece)
        if _counted >= SLICE:
            _counted = 0
            let_others()
    return tokens


def slices(text: str) -> Iterator[str]:
    """The text in pieces of SLICE characters and a few more."""
    begin = 0
    while len(text) - begin > SLICE:
        end = begin + SLICE
        border = _BORDER.search(text, end, end + SEARCHED)
        end = border.start() if border else end
        yield text[begin:end]
        begin = end
    yield text[begin:]
