"""Names sloproof's pytest plug-in, so that `pytest experiments/` works in a checkout."""

pytest_plugins = ["sloproof.pytest_plugin"]
