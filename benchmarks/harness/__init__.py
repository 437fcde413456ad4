"""What `benchmarks.stream` is made of: the broker and the store, load, measurement, results."""
