"""How fast and how true it is on this machine: engines by themselves, and the whole chain from picture to pose."""
