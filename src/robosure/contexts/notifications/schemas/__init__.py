"""What notifications takes and answers over HTTP, and what its webhooks say."""
