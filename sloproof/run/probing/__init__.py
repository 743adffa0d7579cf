"""Probing, both sides of it: the specs, the samples, and the engine's end of the prober."""
