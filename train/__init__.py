"""Data sets, synthetic people, augmentation, training and metrics."""
