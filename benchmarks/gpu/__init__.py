"""What `gpu_memory` and `gpu_service` are made of: ads, a neighbour on the card, and the runs."""
