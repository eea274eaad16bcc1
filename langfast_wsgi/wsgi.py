"""What gunicorn imports: ``gunicorn langfast_wsgi.wsgi:app``."""

from langfast_wsgi.app import create_app

app = create_app()
