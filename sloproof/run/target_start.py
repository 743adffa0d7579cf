"""Finding the target, or knowing why it isn't there; its addresses come with it."""

from __future__ import annotations

from dataclasses import dataclass

from sloproof.errors import PlatformError
from sloproof.model.target import Target
from sloproof.run.crew import Crew


@dataclass(slots=True)
class TargetStart:
    """The target as far as it is known: nothing before it runs, complete once it is `there`."""

    crew: Crew
    known: Target | None = None

    def there(self) -> bool:
        """Whether the target tells its addresses and is ready; the platform learns them.

        Raises `TargetBusy` where another run touches what is found there.
        """
        found = self.crew.platform.found()
        if found is None:
            return False
        self.known = self.crew.complete(found)
        self.crew.platform.attach(self.known)
        if self.crew.platform.ready():
            return False
        self.crew.claim(self.known)
        return True

    def why_not(self) -> str:
        """Why it isn't there, for people."""
        if self.known is None:
            return "its `discover` gives nothing yet; its own words are in the run's target.log"
        return self.crew.platform.ready()

    @property
    def target(self) -> Target:
        """The complete model; raises `PlatformError` before it is known."""
        if self.known is None:
            raise PlatformError(f"the target is not known: {self.why_not()}")
        return self.known
