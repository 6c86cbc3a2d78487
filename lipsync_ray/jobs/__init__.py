"""The jobs: one folder each, of inputs, plan, stages, assemble, job."""
