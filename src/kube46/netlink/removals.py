"""Removing a link without waiting for the kernel to free it.

The kernel takes a link out of its namespace at once: name, addresses, routes and its peer are gone and nothing passes
any more. It says so to listeners, and then keeps the one who asked waiting for a grace period of RCU, 15 to 40 ms,
before it frees the memory. Here a thread waits for that; the caller goes on when the kernel has said so.
"""

import select
import socket
import threading

from kube46.netlink import wire
from kube46.netlink.errors import NetlinkError
from kube46.netlink.sockets import Socket, open_socket
from kube46.netlink.wire import Kind

LINK_GROUP = 0x1  # RTMGRP_LINK
AF_BRIDGE = 7  # a port's leaving of its bridge is told by a message of the same kind
RECEIVE_BYTES = 1 << 16
MOST_AT_ONCE = 64  # threads that wait for the kernel

_places = threading.BoundedSemaphore(MOST_AT_ONCE)


def remove(index: int, what: str) -> bool:
    """Remove the link of that index in the calling thread's namespace; returns whether it was there.

    When this returns the link is gone, also if this process is killed then. Raises NetlinkError, naming `what`.
    """
    with open_socket(LINK_GROUP) as news:
        waiter = _Waiter(index, what)
        with waiter.over:
            _places.acquire()
            waiter.start()
            _wait(news, index, waiter.over)
    if waiter.failure is None:
        return True
    if waiter.failure.is_absence:
        return False
    raise waiter.failure


class _Waiter(threading.Thread):
    """Asks for the removal, and waits until the kernel lets it go. The other end of `over` is closed then."""

    def __init__(self, index: int, what: str) -> None:
        super().__init__(name="link removal")
        self._index, self._what = index, what
        self._socket = Socket()  # in the namespace of the thread that makes this
        self.failure: NetlinkError | None = None
        self.over, self._end = socket.socketpair()

    def run(self) -> None:
        """The request, from first to last."""
        payload = wire.LINK.pack(0, 0, self._index, 0, 0)
        try:
            self._socket.request(Kind.DELLINK, payload, self._what)
        except NetlinkError as error:
            self.failure = error
        finally:
            self._socket.close()
            self._end.close()
            _places.release()


def _wait(news: socket.socket, index: int, over: socket.socket) -> None:
    """Until the kernel says that the link is gone, or has answered the request."""
    poll = select.poll()
    for one in (news, over):
        poll.register(one, select.POLLIN)
    while True:
        if any(descriptor == over.fileno() for descriptor, _ in poll.poll()):
            return
        try:
            data = news.recv(RECEIVE_BYTES)
        except OSError:  # ENOBUFS: more happened than the socket could hold, the news may be lost
            over.recv(1)
            return
        if any(_tells(message, index) for message in wire.messages(data)):
            return


def _tells(message: wire.Message, index: int) -> bool:
    if message.kind != Kind.DELLINK:
        return False
    family, _, gone, _, _ = wire.LINK.unpack_from(message.payload)
    return bool(gone == index and family != AF_BRIDGE)
