"""Camera geometry and calibration, on arrays: no torch, no network, no window."""
