"""One thread for the numerical libraries, here and in the commands that tests start.

On a busy machine two threads that wait for each other are many times slower than one, and results
of short trainings depend on how many there are. Must be set before torch is loaded.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
