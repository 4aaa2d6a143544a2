"""Receiving events, processing them, and freezing evidence out of them."""
