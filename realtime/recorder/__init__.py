"""Recording cameras into a take: read without pause, written as they send it, watched while it lasts."""
