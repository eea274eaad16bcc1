"""gunicorn's configuration for the references: the product's worker, nothing of its hooks."""

from gevent import monkey

monkey.patch_all()

worker_class = "gevent"
workers = 1
worker_connections = 4000
keepalive = 5
timeout = 120
control_socket_disable = True
accesslog = "-"
