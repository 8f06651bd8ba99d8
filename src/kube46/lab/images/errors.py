"""What can go wrong with images.

ImageTrouble              a sentence that says what to do
├── BadName               a name that can't be an image's
├── BadArchive            an archive that is damaged, hostile, or of a form that is not known
├── Unknown               an image that isn't there
├── InUse                 an image that a pod runs
└── Unfit                 the machine's disk can't hold layers
"""


class ImageTrouble(Exception):
    """An image can't be loaded, found or removed; nothing was changed."""


class BadName(ImageTrouble):
    """A name that can't be an image's."""


class BadArchive(ImageTrouble):
    """An archive that is damaged, hostile, or of a form that is not known."""


class Unknown(ImageTrouble):
    """An image that isn't there."""


class InUse(ImageTrouble):
    """An image that a pod runs."""


class Unfit(ImageTrouble):
    """The machine's disk can't hold layers."""
