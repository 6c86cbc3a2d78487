"""Restoration of faces in frames: shared by the dub job's restore stage and the enhance job."""
