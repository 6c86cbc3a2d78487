"""The evaluation job: measures sync and image quality of dubbed videos, and writes a report."""

PREVIEWS = 12  # videos of a report that get pictures and a player
