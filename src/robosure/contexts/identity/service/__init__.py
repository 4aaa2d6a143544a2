"""Identity's use cases: signing in, and managing organisations, people and keys."""
