"""The versions of TLS that the API server speaks."""

import socket
import ssl

import pytest

from server.running import Server

VERSIONS = {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}


def spoken(server: Server, version: ssl.TLSVersion) -> str | None:
    """The version that was agreed upon when the client speaks only that one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would not even ask for the old ones
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=10) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.version()


@pytest.mark.parametrize("version", VERSIONS, ids=VERSIONS.values())
def test_spoken_versions(server: Server, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 (RFC 5246, RFC 8446)."""
    assert spoken(server, version) == VERSIONS[version]


def test_older_versions_are_refused(server: Server) -> None:
    """TLS 1.1 is deprecated (RFC 8996): the handshake fails."""
    with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises(ssl.SSLError):
        spoken(server, ssl.TLSVersion.TLSv1_1)
