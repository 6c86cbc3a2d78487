"""The built-in corpus: one portrait, one sentence in four languages."""
