"""What platforms are made of."""
