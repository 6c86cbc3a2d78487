"""The analysis job: details, speech and faces of every file, and whether it is suitable for a dub."""
