"""Files: probe, decode a frame range, encode, join parts; audio and its mel. PyAV and numpy; no Ray, no networks."""
