"""Storage by URL, tables that people write, and the records that a run keeps."""
