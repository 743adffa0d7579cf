"""What a target may mount at its start, so that faults have something to act on."""
