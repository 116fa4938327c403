"""Stands in for TensorRT in tests: only its record is looked at."""
