"""Measures sloproof beside what one would use instead. `python -m benchmarks --list` says what."""
