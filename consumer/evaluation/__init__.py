"""How well ads are judged: a generator of ads whose faults are known, and the figures of judging them."""
