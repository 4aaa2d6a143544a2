"""Files from outside: told by what they hold, never by what is said of them.

A client's media type and name are claims. The type comes from the content; what is none
of the accepted kinds, contradicts its declared type, is not sound as what it is, or is
known to do harm is refused. A name is a label for people, and names nothing here.
"""

from robosure.platform.uploads.inspection import INFECTED, Inspector, Upload
from robosure.platform.uploads.scanner import Scanner

__all__ = ["INFECTED", "Inspector", "Scanner", "Upload"]
