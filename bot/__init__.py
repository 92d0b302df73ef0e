"""A chat bot in front of a city's 12345 hotline: it answers from sources, asks back, or says that it does not know."""

import os

# The matrices are small: threads only make them slower. Must be set before numpy is imported for the first time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
