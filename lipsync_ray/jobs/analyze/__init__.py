"""The analysis job: what every video and audio file is, says and shows, and whether it is worth a dub."""
