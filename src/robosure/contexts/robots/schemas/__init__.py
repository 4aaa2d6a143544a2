"""What robots takes in and gives out over HTTP."""
