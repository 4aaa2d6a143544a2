"""``robosure audit``: what an auditor sees of the trail, straight from the database."""
