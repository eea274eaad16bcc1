"""The benchmarks' own upstream: what the product's emulator speaks, and nothing else.

One process, one epoll loop, no greenlets: an event costs a third of what it costs the emulator, and
each carries the moment at which it was sent. It checks nothing, so it is no emulator: correctness
is what the tests are for.
"""
