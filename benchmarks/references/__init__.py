"""Two references, measured in the same run as the gateway, on the same kind of worker.

``naive`` is what a gateway of this kind usually looks like; ``floor`` does nothing but write, and
so is what no gateway on this worker can fall below.
"""
