"""The report of one or several evaluations: one page that opens from disk."""
