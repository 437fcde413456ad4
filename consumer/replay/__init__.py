"""Dead letters: look at them, and hand them in again, each at most once. Stands beside the pipeline."""
