"""The network and what it says: skeleton, crop, model, decode, weights, backends."""

import os

# PyTorch's worker threads spin while they wait; beside a camera, a window or an encoder that makes the same network
# ten times slower. It is read once, when torch is first imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
