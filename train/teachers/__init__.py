"""Other people's networks that place joints in pictures: what they are shown, and their points in our order."""
