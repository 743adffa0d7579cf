"""Keeping Locust's own pytest plug-in out: it claims `--host`, `-H` and a fixture `session`."""

from __future__ import annotations

import contextlib
from argparse import Action

import pytest

NAME = "locust"


def keep_out(manager: pytest.PytestPluginManager, parser: pytest.Parser) -> None:
    """Block it where it isn't loaded yet; else take it and its option out again.

    Which of two installed plug-ins is loaded first is the file system's choice, so both happen.
    """
    plugin = manager.get_plugin(NAME)
    if plugin is not None:
        manager.unregister(plugin)
        _drop_fixtures(manager, plugin)
        _drop_option(parser, "--host")
    manager.set_blocked(NAME)


def _drop_fixtures(manager: pytest.PytestPluginManager, plugin: object) -> None:
    # Fixtures are read from all plug-ins that were ever registered; there is no public way out.
    history = getattr(manager.hook.pytest_plugin_registered, "_call_history", [])
    history[:] = [call for call in history if call[0].get("plugin") is not plugin]


def _drop_option(parser: pytest.Parser, name: str) -> None:
    # Pytest has no public way to take an option back; where this way ends, the option stays.
    with contextlib.suppress(AttributeError, KeyError, ValueError):
        for group in (parser._anonymous, *parser._groups):
            for option in [each for each in group.options if name in each.names()]:
                group.options.remove(option)
                _forget(option._action)


def _forget(action: Action) -> None:
    container = action.container  # type: ignore[attr-defined]  # argparse sets it unannounced
    for name in action.option_strings:
        del container._option_string_actions[name]
    container._remove_action(action)
