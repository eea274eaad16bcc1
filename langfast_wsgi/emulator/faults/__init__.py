"""Faults on purpose: of a whole service, switched over HTTP, and of a run that asks for them."""
