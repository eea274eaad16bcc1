"""The long-running fault programmes: black box over HTTP, run by ``python -m tests.faults``.

What they promise and how each figure is measured stands in ``docs/faults.md``.
"""
