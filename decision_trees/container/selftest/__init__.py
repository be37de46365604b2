"""Self-test of an image: train and serve a small model with the image's own programs."""
