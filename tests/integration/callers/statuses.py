"""statuses.py ADDRESS STUBS: every status that comes decodes by grpcio's own helper,
which raises where status and details differ. Run with grpcio-status of PyPI."""

import sys

sys.path.insert(0, sys.argv[2])
import grpc  # noqa: E402
from grpc_status import rpc_status  # noqa: E402
from google.rpc import error_details_pb2  # noqa: E402
from sluice.v1 import gateway_pb2, gateway_pb2_grpc  # noqa: E402

stub = gateway_pb2_grpc.GatewayStub(grpc.insecure_channel(sys.argv[1]))
checked = 0
for character, width in (("a", 1), ("%", 3), ("é", 6), ("語", 9), ("😀", 12)):
    for bound in (0, 160, 512, 1024, 4096, 7168):
        for count in range(max(bound // width - 2, 0), bound // width + 3):
            for attempts in (0, 1, 3, 10):
                message = gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text=character * count)
                try:
                    stub.Chat(gateway_pb2.ChatRequest(model="m", messages=[message], n=attempts), timeout=30)
                    raise AssertionError("it did not fail")
                except grpc.RpcError as error:
                    where = f"{count} × {character}, {attempts} attempts"
                    assert error.code() == grpc.StatusCode.UNAVAILABLE, (where, error)
                    status = rpc_status.from_call(error)
                    assert (error.details() == character * count) == (count * width <= 1024), (where, error.details())
                    info = error_details_pb2.ErrorInfo()
                    assert status.details[0].Unpack(info) and info.reason == "ATTEMPTS_EXHAUSTED", where
                    attempt_list = gateway_pb2.AttemptList()
                    if attempts:
                        assert status.details[-1].Unpack(attempt_list), where
                    assert len(attempt_list.attempts) + attempt_list.omitted == attempts, where
                    assert len(attempt_list.attempts) >= min(attempts, 2), where
                    trailers = sum(len(key) + 32 + (-(-len(value) // 3) * 4 if key.endswith("-bin") else len(value))
                                   for key, value in error.trailing_metadata())
                    # grpc-message and grpc-status stand beside those.
                    trailers += min(count * width, 1024) + 44 + 45
                    assert trailers <= 7168, (where, trailers)
                    checked += 1
print(checked)
