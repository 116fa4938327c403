"""The commands: each file parses, wires and prints what belongs together; nothing is computed here.

Everything heavy is imported inside a command, so that `--help` is there at once.
"""
