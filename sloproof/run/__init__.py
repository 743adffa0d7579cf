"""The only room that touches the world: engine, journal, guardian, load, prober."""
