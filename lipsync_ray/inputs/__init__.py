"""What is found in source media once and serves every job: details, sound features, face tables."""
