"""Faces in frames: detect, track, select, crop and blend. Numpy, OpenCV and torch; no Ray, no files except tables."""
