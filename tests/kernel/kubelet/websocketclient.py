"""Opens a WebSocket on the API server and prints what comes as JSON: `PATH PROTOCOL[,…] [SECONDS]`, run in the node."""

import json
import socket
import ssl
import sys

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request, TextMessage

path, protocols, seconds = sys.argv[1], sys.argv[2].split(","), float(sys.argv[3]) if len(sys.argv) > 3 else 0
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
plain = socket.create_connection(("127.0.0.1", 6443), 20)
found = {"protocol": None, "messages": [], "end": ""}
with context.wrap_socket(plain) as connection:
    frames = WSConnection(ConnectionType.CLIENT)
    headers = [(b"authorization", b"Bearer etoken-admin")]
    connection.sendall(frames.send(Request("localhost", path, subprotocols=protocols, extra_headers=headers)))
    while not found["end"]:
        data = connection.recv(65536)
        frames.receive_data(data or None)
        for event in frames.events():
            match event:
                case AcceptConnection():
                    found["protocol"] = event.subprotocol
                    connection.settimeout(seconds or 20)
                case RejectConnection():
                    found["end"] = f"rejected {event.status_code}"
                case BytesMessage():
                    found["messages"].append(list(event.data))
                case TextMessage():
                    found["messages"].append(event.data)
                case CloseConnection():
                    found["end"] = f"closed {event.code}"
        if seconds and found["messages"]:
            found["end"] = "left"
print(json.dumps(found))
