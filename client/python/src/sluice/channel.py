"""Channels to a gateway, in the clear or with TLS."""
from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

import grpc
import grpc.aio

# gRPC's own 4 MiB is less than a route may let an answer of Chat or Embed be.
MAX_RECEIVE_BYTES = 64 << 20

Options = Sequence[Tuple[str, Any]]


def connect(address: str, *, tls: bool = False, ca: Optional[bytes] = None, cert: Optional[bytes] = None,
            key: Optional[bytes] = None, options: Options = ()) -> grpc.Channel:
    """A channel for `GatewayStub`, to "host:port". TLS with `tls`, or with any of the three in PEM: `ca`, whom to
    trust in place of gRPC's own list; `cert` and `key`, who the caller is."""
    if tls or ca or cert:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), _with_size(options))
    return grpc.insecure_channel(address, _with_size(options))


def connect_aio(address: str, *, tls: bool = False, ca: Optional[bytes] = None, cert: Optional[bytes] = None,
                key: Optional[bytes] = None, options: Options = ()) -> grpc.aio.Channel:
    """As `connect`, for asyncio."""
    if tls or ca or cert:
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), _with_size(options))
    return grpc.aio.insecure_channel(address, _with_size(options))


def _with_size(options: Options) -> Options:
    return [("grpc.max_receive_message_length", MAX_RECEIVE_BYTES), *options]
