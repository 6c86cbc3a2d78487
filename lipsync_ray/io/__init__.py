"""Storage by URL, users' tables, and a run's records."""
