"""``GET /openapi.json``: an OpenAPI 3.1 document of what is served.

Each room that has routes hands in a ``Part``: its paths and the schemas that they speak of. What a
caller may send is made from the models that check it, so the two cannot drift apart; what is
answered is written by hand, and tests hold real answers against it.
"""
