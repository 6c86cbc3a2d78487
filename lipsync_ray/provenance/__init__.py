"""What files say of how they were made: tags, signed manifests, and reading both."""
