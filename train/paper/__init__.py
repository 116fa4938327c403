"""The paper's own experiments: its two stages of training, its tables, its figures."""
