"""Pictures of events that organizers upload: made anew from what was sent, stored, read.

    making.py    from the bytes of a file to the three pictures that are stored
    stored.py    store a picture, read one, delete what nothing shows any more

A picture has the address `/pictures/{digest}.jpg`, which events keep where they keep the address of a picture
elsewhere. So copies, series and rehearsals show it without knowing of it, and one row serves many dates. What
was sent is never stored or shown: no metadata, such as the place of a photograph, leaves this package.
"""

from evently.pictures.making import (
    SIDE_PIXELS_MIN,
    SMALL_WIDTH,
    WIDE_WIDTH,
    MadePicture,
    PicturesRefusal,
    make_picture,
)
from evently.pictures.stored import (
    FORGOTTEN_MAX,
    address_of,
    digest_in,
    forget,
    keep,
    list_unchecked,
    read_picture,
    store,
)

__all__ = [
    "FORGOTTEN_MAX",
    "SIDE_PIXELS_MIN",
    "SMALL_WIDTH",
    "WIDE_WIDTH",
    "MadePicture",
    "PicturesRefusal",
    "address_of",
    "digest_in",
    "forget",
    "keep",
    "list_unchecked",
    "make_picture",
    "read_picture",
    "store",
]
