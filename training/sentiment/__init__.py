"""Training tool of explaind's built-in sentiment models."""

import os

# Threads that spin while they wait make a shared machine ten times slower; this must be
# set before torch starts its threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
