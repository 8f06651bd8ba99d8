"""Names of signals, as images write them in StopSignal (pure)."""

import re
import signal

REALTIME = re.compile(r"SIGRTM(?:IN\+([0-9]{1,2})|AX-([0-9]{1,2}))")


def number(name: str) -> int:
    """`SIGQUIT`, `QUIT`, `3`, `SIGRTMIN+3` → the number; SIGTERM for "" and for what is no signal, as docker does."""
    if name.isascii() and name.isdigit() and len(name) <= 2 and 0 < int(name) <= signal.SIGRTMAX:
        return int(name)
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    if match := REALTIME.fullmatch(full):
        wanted = signal.SIGRTMIN + int(match[1]) if match[1] else signal.SIGRTMAX - int(match[2])
        return wanted if signal.SIGRTMIN <= wanted <= signal.SIGRTMAX else signal.SIGTERM
    found = getattr(signal, full, signal.SIGTERM)
    return found.value if isinstance(found, signal.Signals) else signal.SIGTERM
