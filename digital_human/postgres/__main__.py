"""`python -m digital_human.postgres`."""

import sys

from digital_human.postgres.cli import main

sys.exit(main())
