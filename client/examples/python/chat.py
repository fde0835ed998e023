"""Streams a chat through a Sluice gateway and collects the answer."""
import os
import sys

import grpc

from sluice.v1 import gateway_pb2, gateway_pb2_grpc


def add_delta(part, kind, event):
    """A step of one part of an answer."""
    if kind == "content":
        part.text += event.content.text
    elif kind == "reasoning":
        part.reasoning.text += event.reasoning.text
    elif kind == "refusal":
        part.refusal.text += event.refusal.text
    elif kind == "tool_call_start":
        part.tool_call.id = event.tool_call_start.id
        part.tool_call.name = event.tool_call_start.name
    elif kind == "tool_call_delta":
        part.tool_call.arguments_json += event.tool_call_delta.arguments_json
    elif kind == "part_end":
        part.states.extend(event.part_end.states)


PART_KINDS = ("content", "reasoning", "refusal", "tool_call_start", "tool_call_delta", "part_end")


def collect(responses, on_text):
    """Events of a stream -> (the first choice as a message for the history, end record or None)."""
    # Deltas of several parts may interleave: each goes to its own.
    parts, end = {}, None
    for response in responses:
        for event in response.events:
            kind = event.WhichOneof("kind")
            if kind in PART_KINDS and event.choice == 0:
                add_delta(parts.setdefault(event.part, gateway_pb2.Part()), kind, event)
                if kind == "content":
                    on_text(event.content.text)
            elif kind == "continuation" and event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
                parts.clear()
                on_text("\n--- cut; the answer begins anew ---\n")
            elif kind == "end":
                end = event.end
    message = gateway_pb2.Message(role=gateway_pb2.ROLE_ASSISTANT, parts=[parts[i] for i in sorted(parts)])
    return message, end


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
            message, end = collect(responses, lambda text: print(text, end="", flush=True))
        except grpc.RpcError as error:
            sys.exit(f"\n{error.code().name}: {error.details()}")
    if end is None:
        sys.exit("\nthe stream ended without its end record: the answer is incomplete")
    answer = "".join(part.text for part in message.parts)
    outcome = gateway_pb2.Outcome.Name(end.outcome).removeprefix("OUTCOME_").lower()
    print(f"\nend: {outcome}, served by {end.served_by}, {len(end.attempts)} attempts, {len(answer)} characters")
    if end.outcome == gateway_pb2.OUTCOME_FALLBACK:
        print(f"a fallback, because: {end.error.message}")


if __name__ == "__main__":
    main()
