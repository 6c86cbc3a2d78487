"""The enhance job: restore the faces of finished videos, of a dub run or of any source."""
