"""``python -m langfast_wsgi.emulator``: one process, announced by a line of JSON."""

import sys

from langfast_wsgi.emulator import serve
from langfast_wsgi.emulator.options import from_arguments

if __name__ == "__main__":
    sys.exit(serve(from_arguments(sys.argv[1:])))
