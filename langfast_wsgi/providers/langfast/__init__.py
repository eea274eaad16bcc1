"""Everything about this upstream: accounts, sockets, the credential pool, and one run."""
