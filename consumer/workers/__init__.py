"""Supervised worker processes: decoding, OCR and later the GPU run behind this boundary."""
