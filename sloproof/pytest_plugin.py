"""The door in pytest: `pytest experiments/` runs experiments, one test a claim.

Hooks only; the parts are in `sloproof.pytesting`. The entry point has this module's own name, so
that a `conftest.py` which names the plug-in does not register it a second time.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from sloproof.pytesting import locust, settings, telling


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare what can be set, and keep Locust's plug-in out."""
    locust.keep_out(pluginmanager, parser)
    settings.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker for labels and what tells of runs; note the paths asked for."""
    config.addinivalue_line(
        "markers", "label(**labels): the labels of an experiment, as in -m 'label(tier=\"ci\")'"
    )
    settings.remember_asked(config)
    config.pluginmanager.register(telling.Teller(config), "sloproof-teller")


@pytest.fixture(scope="session")
def sloproof_variables() -> dict[str, str | int | float]:
    """Variables for every experiment, over what their files say; override it to give some."""
    return {}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect experiments that were asked for."""
    if file_path.suffix not in {".yaml", ".yml"}:
        return None
    from sloproof.pytesting.collecting import collect_file

    return collect_file(file_path, parent)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the run's figures along with the report of its tests' set-up."""
    report = yield
    told = getattr(item.parent, "told", None)
    if report.when == "setup" and told is not None:
        vars(report)[telling.ATTRIBUTE] = told()
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Any | None:
    """Keep the experiments of one target on one worker."""
    from sloproof.pytesting.sharing import scheduler

    return scheduler(config, log)
