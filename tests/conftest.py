"""What holds for every test, whichever of them run and in however many processes.

Values that a test works out for itself are worked out in mpmath at 150 digits. Where the tests share the machine's
cores among several processes, torch keeps to one thread in each: threads that wait for each other on busy cores are
many times slower than one.
"""

import os

from mpmath import mp

mp.dps = 150
os.environ.pop("FORCE_COLOR", None)  # Commands are compared by what they print without colours.
if "PYTEST_XDIST_WORKER" in os.environ:
    import torch

    torch.set_num_threads(1)
