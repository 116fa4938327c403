"""Teaching the one-camera network one's own room: labels from two cameras, fine-tuning, the gate, before and after."""
