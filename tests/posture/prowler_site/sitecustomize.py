"""s3control puts the account before the host: 111122223333.127.0.0.1 must be 127.0.0.1. Nothing else is changed."""

import socket

_g = socket.getaddrinfo


def getaddrinfo(host, *a, **k):
    if isinstance(host, str) and host.endswith((".127.0.0.1", ".localhost")):
        host = "127.0.0.1"
    return _g(host, *a, **k)


socket.getaddrinfo = getaddrinfo
