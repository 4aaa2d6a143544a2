"""TLS: what is offered to who connects, what is asked of whom we connect to."""
