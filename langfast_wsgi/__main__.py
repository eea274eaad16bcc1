"""``python -m langfast_wsgi``: the same as the ``langfast`` command."""

from langfast_wsgi.cli import main

if __name__ == "__main__":
    main(prog_name="langfast")
