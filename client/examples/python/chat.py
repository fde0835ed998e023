"""Streams a chat through a Sluice gateway and collects the answer."""
import os
import sys

import grpc

from sluice.v1 import gateway_pb2, gateway_pb2_grpc


def collect(responses, on_text):
    """Events of a stream -> (text of the answer, end record or None)."""
    text, end = [], None
    for response in responses:
        for event in response.events:
            kind = event.WhichOneof("kind")
            if kind == "content":
                text.append(event.content.text)
                on_text(event.content.text)
            elif kind == "continuation" and event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
                text.clear()
                on_text("\n--- cut; the answer begins anew ---\n")
            elif kind == "end":
                end = event.end
    return "".join(text), end


def main():
    question = " ".join(sys.argv[1:]) or "Why is the sky blue?"
    server = os.environ.get("SLUICE_SERVER", "127.0.0.1:8443")
    request = gateway_pb2.ChatRequest(
        model=os.environ.get("SLUICE_MODEL", "chat"),
        messages=[gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text=question)],
        # A cut stream may begin anew; without this it fails.
        stream_options=gateway_pb2.StreamOptions(allow_restart=True),
    )
    with grpc.insecure_channel(server) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        try:
            responses = stub.StreamChat(request, timeout=60)
            answer, end = collect(responses, lambda text: print(text, end="", flush=True))
        except grpc.RpcError as error:
            sys.exit(f"\n{error.code().name}: {error.details()}")
    if end is None:
        sys.exit("\nthe stream ended without its end record: the answer is incomplete")
    outcome = gateway_pb2.Outcome.Name(end.outcome).removeprefix("OUTCOME_").lower()
    print(f"\nend: {outcome}, served by {end.served_by}, {len(end.attempts)} attempts, {len(answer)} characters")
    if end.outcome == gateway_pb2.OUTCOME_FALLBACK:
        print(f"a fallback, because: {end.error.message}")


if __name__ == "__main__":
    main()
