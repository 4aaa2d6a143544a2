"""What a person or a process starts."""
