"""The business, one folder per service; they tell each other facts, never call."""
