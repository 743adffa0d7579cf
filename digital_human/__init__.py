"""The reference system under test: a digital human's platform, small and real."""
