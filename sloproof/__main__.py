"""`python -m sloproof` is `sloproof`."""

from sloproof.cli import main

main()
