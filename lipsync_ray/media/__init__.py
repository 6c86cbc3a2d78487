"""Media files: probe, decode frame ranges, encode, join; audio and mel. PyAV and numpy; no Ray, no networks."""
