"""Stands in for nvidia-modelopt in tests."""
