"""Lost writes over 200 crashes, counted by the ledger: belongs to a later issue."""

from benchmarks.figure import Figure

FIGURE = Figure(
    name="lost-writes",
    place=16,
    title="Lost writes over 200 crashes",
    goal="counted exactly",
    method="The ledger that will count them is not built yet.",
    measure=None,
)
