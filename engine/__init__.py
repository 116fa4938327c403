"""The network and what it says: skeleton, crop, model, decode, weights, backends."""

import os
import sys

# PyTorch's worker threads spin while they wait; beside a camera, a window or an encoder that makes the same network
# ten times slower. It is read once, when torch is first imported, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Importing OpenVINO or nncf reports to Intel through this package, unless it cannot be imported. Nothing may leave the
# user's machine, so it cannot.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]
