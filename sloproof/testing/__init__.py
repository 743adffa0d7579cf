"""What an extension's author tests with: laws for effects and faults, a simulated world."""

from sloproof.testing.clock import SimClock
from sloproof.testing.laws import check_effect, check_fault

__all__ = ["SimClock", "check_effect", "check_fault"]
