"""Why a call failed, decoded from the gRPC status and the typed details in it."""
from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Mapping, Optional, Sequence

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from sluice.v1.gateway_pb2 import Attempt, AttemptList


@dataclasses.dataclass(frozen=True)
class CallFailure:
    code: grpc.StatusCode
    # The gateway's line for people.
    message: str
    # google.rpc.ErrorInfo: stable and UPPER_SNAKE ("ATTEMPTS_EXHAUSTED"); "" where the status did not come from a
    # gateway (nobody listens, a proxy answered).
    reason: str = ""
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    # google.rpc.RetryInfo, in seconds: when it is worth trying again.
    retry_after: Optional[float] = None
    # What was tried, oldest first, and how many did not fit in the status.
    attempts: Sequence[Attempt] = ()
    omitted_attempts: int = 0

    @property
    def from_gateway(self) -> bool:
        """The gateway said this, and not what is on the way to it."""
        return bool(self.reason)

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message or 'no reason given'}"


def decode_error(error: grpc.RpcError) -> CallFailure:
    """Of a call that raised, sync or aio. Details that cannot be read are left out; code and message always stand."""
    call: Any = error  # what is raised is also the call
    found: Dict[str, Any] = {}
    for detail in _details(call):
        with contextlib.suppress(DecodeError):
            found.update(_read(detail))
    return CallFailure(code=call.code(), message=call.details() or "", **found)


def _read(detail: Any) -> Dict[str, Any]:
    """google.protobuf.Any -> the fields of CallFailure that it tells."""
    if detail.Is(ErrorInfo.DESCRIPTOR):
        info = ErrorInfo.FromString(detail.value)
        return {"reason": info.reason, "metadata": dict(info.metadata)}
    if detail.Is(RetryInfo.DESCRIPTOR):
        delay = RetryInfo.FromString(detail.value).retry_delay
        return {"retry_after": delay.seconds + delay.nanos / 1e9}
    if detail.Is(AttemptList.DESCRIPTOR):
        tried = AttemptList.FromString(detail.value)
        return {"attempts": tuple(tried.attempts), "omitted_attempts": tried.omitted}
    return {}


def _details(call: Any) -> Sequence[Any]:
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            with contextlib.suppress(DecodeError):
                return list(Status.FromString(value).details)
    return ()
