"""The dub job: plan, stages, assemble, and the run that joins them."""
