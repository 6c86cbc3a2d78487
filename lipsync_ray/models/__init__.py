"""Networks, one a file; their checkpoints and where those come from. Torch; no Ray, no media files."""
