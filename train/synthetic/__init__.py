"""Synthetic people: a parametric body, poses, clothes, a renderer, and samples with exact labels."""
