"""Values that every room speaks of: units, verdicts, clocks, incarnations."""
