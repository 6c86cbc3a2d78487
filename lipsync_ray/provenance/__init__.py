"""Provenance of files: tags, signed C2PA manifests and watermarks, written and read."""
