"""Calls between services, from what the target itself writes; one format a file."""

from sloproof.run.traces.clocks import Anchor
from sloproof.run.traces.reading import Calls, Missing, read_calls

__all__ = ["Anchor", "Calls", "Missing", "read_calls"]
