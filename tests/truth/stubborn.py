"""An undo with a will of its own: `python -S stubborn.py MOOD FLAG` removes FLAG, or does not.

The file MOOD says how it is today: `well`, `never`, `hangs`, or `once`: it fails, then is well.
"""

import sys
import time
from pathlib import Path

mood, flag = map(Path, sys.argv[1:])
today = mood.read_text().strip()
if today == "hangs":
    time.sleep(600)
if today == "once":
    mood.write_text("well")
if today != "well":
    sys.exit("not today")
flag.unlink()
