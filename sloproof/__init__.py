"""Chaos experiments under load, judged honestly against service level objectives."""

__version__ = "0.1.0"
