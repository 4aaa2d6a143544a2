"""What identity takes in and gives out over HTTP."""
