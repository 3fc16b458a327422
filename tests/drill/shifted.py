"""A Python whose clock is wrong: ``shifted.py SECONDS -I -S PROGRAM WORDS...``."""

import runpy
import sys
import time

offset, program = float(sys.argv[1]), sys.argv[4]
right = time.time
time.time = lambda: right() + offset
sys.argv = sys.argv[4:]
runpy.run_path(program, run_name="__main__")
