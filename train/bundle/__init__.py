"""Bringing trained weights in: judged beside the bundled ones, taken, and written about. `python -m train.bundle`."""
