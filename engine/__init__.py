"""The network and what it says: skeleton, crop, model, decode, weights, backends."""
