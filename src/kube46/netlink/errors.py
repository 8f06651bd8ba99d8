"""What can go wrong on a netlink socket.

OSError
└── NetlinkError        the kernel refused a request; `errno` says why, the text names the request and the object
"""

import errno as codes
import os


class NetlinkError(OSError):
    """The kernel refused a request.

    `errno` is the kernel's, the text names what was asked and adds the kernel's own explanation (extended ack), if any.
    """

    def __init__(self, errno: int, request: str, explanation: str = "") -> None:
        reason = os.strerror(errno) + (f" ({explanation})" if explanation else "")
        super().__init__(errno, f"{request}: {reason}")

    @property
    def is_absence(self) -> bool:
        """Whether the object named by the request does not exist."""
        return self.errno in (codes.ENODEV, codes.ESRCH, codes.ENOENT, codes.EADDRNOTAVAIL)

    @property
    def is_presence(self) -> bool:
        """Whether an object of that name exists already."""
        return self.errno == codes.EEXIST
