"""What a CNI plugin answers when it cannot do what is asked.

Exception
└── CniError            `code`, `message`, `details`: the error object of the CNI specification 1.1.0, section 5
"""

from enum import IntEnum


class Code(IntEnum):
    """The error codes of the specification; 100 and more are a plugin's own."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    DECODING_FAILURE = 6
    INVALID_CONFIG = 7
    TRY_AGAIN_LATER = 11
    NOT_AVAILABLE = 50
    LIMITED_CONNECTIVITY = 51
    CHECK_FAILED = 100
    KERNEL_REFUSED = 101
    CONFLICT = 102
    DELEGATE_FAILED = 103


class CniError(Exception):
    """A refusal or failure, as the runtime will read it: a short message and what to do about it."""

    def __init__(self, code: Code, message: str, details: str = "") -> None:
        super().__init__(message, details)
        self.code: int = code
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}: {self.details}" if self.details else self.message
