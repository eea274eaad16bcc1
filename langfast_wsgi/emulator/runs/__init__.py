"""Runs: starting one, planning its events, playing them in time, keeping a journal."""
