"""The evaluation job: how well dubbed videos are in sync, how good they look, and the report that shows it."""

PREVIEWS = 12  # videos of a report that get pictures and a player
