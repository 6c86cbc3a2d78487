"""Faces in frames: detect, track, choose, crop and blend. Numpy, OpenCV and torch; no Ray, no files but the table's."""
