"""Names sloproof's pytest plug-in, so that `pytest experiments/` works in a checkout.

Without root some experiments can't be run, and are skipped. As root nothing may be lacking: a skip
would hide that the target was not armed as it should be.
"""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["sloproof.pytest_plugin"]


def pytest_configure(config: pytest.Config) -> None:
    """Skip what takes root where there is none, unless told otherwise."""
    told = any(word.startswith("--lacking") for word in config.invocation_params.args)
    if os.geteuid() and not told:
        config.option.lacking = "skip"
