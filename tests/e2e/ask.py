"""One request to `tcp|udp host port`: prints the answer's line, or the error's name (`ECONNREFUSED`, `timeout`).

The third word of the output is the seconds it took, so that an immediate refusal is told from a slow one.
"""

import errno
import socket
import sys
import time

kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
begun = time.monotonic()
try:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.7)
        sock.connect((host, port))
        sock.send(b"x\n")
        answer = " ".join(sock.recv(65535).decode().split()[:2])
except TimeoutError:
    answer = "timeout -"
except OSError as error:
    answer = f"{errno.errorcode.get(error.errno or 0, 'closed')} -"
print(f"{answer or 'closed -'} {time.monotonic() - begun:.3f}")
