"""The vocabulary that all rooms share: what is asked (a request) and what comes back (events)."""
