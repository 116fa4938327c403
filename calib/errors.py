"""Faults that are the user's to mend."""


class UserError(RuntimeError):
    """A fault whose message is meant for the person at the keyboard: one line, what and what to do."""
