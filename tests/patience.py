"""How long tests wait: a limit ends a test that would never pass, on machines that do much else; speed is bench/'s."""

FACTOR = 4


def patient(seconds: float) -> float:
    """The seconds to wait for what an idle machine does within so many."""
    return FACTOR * seconds
