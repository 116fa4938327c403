"""Readers of data sets. Each gives `Sample`s; which folder holds what is told by its content."""
