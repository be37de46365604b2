"""Self-test of an image: a small job from training to a stop, by the image's own programs."""
