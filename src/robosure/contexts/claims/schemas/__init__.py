"""Request and response models of claims."""
