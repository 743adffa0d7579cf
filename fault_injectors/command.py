"""Whatever the user's own commands do."""

from collections.abc import Iterable

from sloproof.contracts import Duration, Fault, Platform, RunsCommands, Step, Where


class Command(Fault):
    """Your own commands: `apply`, `undo`, and `observe`, which exits 0 while it is in force."""

    needs = (RunsCommands,)
    points_at = "nothing"

    apply: tuple[str, ...]
    undo: tuple[str, ...]
    observe: tuple[str, ...] = ()
    timeout: Duration = Duration(10_000_000_000)

    def __post_init__(self) -> None:
        """Raises `ValueError` for a command without a program."""
        for name in ("apply", "undo", *(("observe",) if self.observe else ())):
            argv = getattr(self, name)
            if not argv or not argv[0].strip():
                raise ValueError(f"{name}: names no program")

    def plan(self, where: Where, on: Platform) -> Iterable[Step]:
        """One effect: the three commands."""
        return [on.command(self.apply, self.undo, self.observe, self.timeout)]
