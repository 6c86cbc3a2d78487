"""The training job: clips of people who talk, in; weights, curves and a card, out."""
