"""The command `sloproof`, also as `python -m sloproof`."""

from __future__ import annotations

import sys

INTERRUPTED = 3


def main() -> None:
    """Run the command line, also for who changes their mind while it is still being imported."""
    try:
        from sloproof.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
