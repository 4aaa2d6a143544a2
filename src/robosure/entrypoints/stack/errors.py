"""What the embedded stack says when it cannot go on."""


class StackError(Exception):
    """The stack cannot start or continue; the text is one line for a person."""
