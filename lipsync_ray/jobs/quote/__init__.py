"""What a table of dubs will take: a plan before anything is spent, and what a frame costs here."""
