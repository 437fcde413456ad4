"""How far a group is behind its input: figures, their history, and what running consumers report about themselves."""
