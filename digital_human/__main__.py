"""`python -m digital_human`."""

import sys

from digital_human.cli import main

sys.exit(main())
