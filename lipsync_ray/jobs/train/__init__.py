"""The training job: from clips of people who talk to weights, curves and a model card."""
