"""The ways in which lip-sync models draw, one a file."""
