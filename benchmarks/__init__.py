"""The benchmarks: what the gateway costs, against two references measured in the same run.

Start with ``docs/performance.md``; ``python -m benchmarks --help`` lists the commands.
"""
