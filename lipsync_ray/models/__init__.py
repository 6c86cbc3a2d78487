"""Neural networks, one per file, and their checkpoints. Torch; no Ray, no media files."""
