"""Measurements, each a program: `make bench ARGS='NAME …'`."""
