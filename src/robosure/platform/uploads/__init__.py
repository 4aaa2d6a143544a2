"""Files from outside: told by what they hold, never by what is said of them.

A client's media type and name are claims. The type comes from the content; what is none
of the accepted kinds, contradicts its declared type, or is a picture too large or too
broken to be decoded is refused. A name is a label for people, and names nothing here.
"""

from robosure.platform.uploads.inspection import Inspector, Upload

__all__ = ["Inspector", "Upload"]
