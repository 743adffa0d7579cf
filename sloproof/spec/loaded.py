"""An experiment with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sloproof.model.secrets import NO_SECRETS, Secrets
from sloproof.model.target import Target
from sloproof.spec.discovery import fill_found
from sloproof.spec.experiment import Experiment
from sloproof.spec.objectives import Objectives
from sloproof.spec.places import Document


@dataclass(frozen=True, slots=True)
class Loaded:
    """An experiment ready to run, and what it was made of.

    `objectives` are those that it refers to, `documents` theirs and its own with variables
    replaced, `variables` the names that `--set` may give, `secrets` what must not be shown.
    """

    experiment: Experiment
    target: Target
    objectives: Objectives
    documents: tuple[Document, ...] = field(default=(), compare=False, repr=False)
    project: Path = field(default=Path(), compare=False)
    variables: frozenset[str] = field(default=frozenset(), compare=False)
    secrets: Secrets = field(default=NO_SECRETS, compare=False, repr=False)

    def running(self, found: Mapping[str, Any]) -> Loaded:
        """The same with what was found once the target ran filled in."""
        return replace(self, target=fill_found(self.target, found))
