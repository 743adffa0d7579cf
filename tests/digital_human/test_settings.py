from __future__ import annotations

import pytest

from digital_human.settings import Settings, SettingsError, from_json, keys, load


def test_the_defaults_are_the_promised_values() -> None:
    settings = load()
    assert (settings.breaker.failure_threshold, settings.breaker.recovery_timeout) == (5, 60.0)
    retry = settings.retry
    assert (retry.max_attempts, retry.initial_delay, retry.max_delay) == (3, 0.1, 1.0)
    assert settings.healer.check_interval == 30.0
    assert settings.call.timeout == 0.3


def test_the_ci_profile_shortens_times_and_keeps_counts() -> None:
    ci = load("ci")
    assert ci.breaker.recovery_timeout == 2.0
    assert ci.breaker.failure_threshold == load().breaker.failure_threshold
    assert ci.healer.check_interval == 0.5


@pytest.mark.parametrize(
    "group", ["breaker", "retry", "healer", "outlier_detection", "health_check"]
)
def test_every_mechanism_can_be_switched_off(group: str) -> None:
    assert getattr(load("ci", [f"{group}=off"]), group).enabled is False
    assert getattr(load("ci", [f"{group}=off", f"{group}=on"]), group).enabled is True


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), ("2s", 2.0), ("300ms", 0.3), ("1.5", 1.5), ("2m", 120.0)]
)
def test_times_are_seconds_or_carry_their_unit(value: str, seconds: float) -> None:
    settings = load("ci", [f"breaker.recovery_timeout={value}"])
    assert settings.breaker.recovery_timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("braker=off", "did you mean breaker?"),
        ("breaker.recovery_time=2", "did you mean breaker.recovery_timeout?"),
        ("zzz=1", "there are breaker,"),
        ("call=off", "no setting 'call'"),
        ("breaker", "is not KEY=VALUE"),
        ("breaker=maybe", "switched with on or off"),
        ("breaker.failure_threshold=2.5", "whole number"),
        ("breaker.failure_threshold=0", "must be from 1"),
        ("breaker.recovery_timeout=soon", "a number or a time"),
        ("breaker.recovery_timeout=-1", "a number or a time"),
        ("breaker.recovery_timeout=0", "must be from 0.001"),
        ("speech.failure_rate=1.1", "must be from 0 to 1"),
        ("profile=ci", "no setting 'profile'"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_hint(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")):
        load("ci", [override])


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(SettingsError, match="there are default, ci"):
        load("prod")


def test_settings_survive_json() -> None:
    settings = load("ci", ["breaker=off", "retry.max_attempts=2", "speech.cost=20ms"])
    assert from_json(settings.to_json()) == settings


def test_every_key_names_a_field() -> None:
    for key in keys():
        group, _, name = key.partition(".")
        assert hasattr(getattr(Settings(), group), name or "enabled")
