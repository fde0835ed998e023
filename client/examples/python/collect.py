"""Collects two answers whole, and goes on with the first: python collect.py [QUESTION]"""
from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run, show, user
from sluice.v1 import gateway_pb2


def described(part):
    kind = part.WhichOneof("kind")
    if kind == "tool_call":
        return f"tool_call {part.tool_call.name} {part.tool_call.arguments_json}"
    if kind == "media":
        return f"media {part.media.mime_type}, {len(part.media.data)} bytes, {part.media.transcript}"
    if kind is None:
        return "states alone"
    return f"{kind} {part.text or part.reasoning.text or part.refusal.text}"


def print_answer(answer):
    for choice in answer.choices():
        finish = gateway_pb2.FinishReason.Name(answer.finish[choice].finish_reason)
        print(f"choice {choice}: {finish.removeprefix('FINISH_REASON_').lower()}")
        for part in answer.message(choice).parts:
            print(f"  {described(part)} ({len(part.citations)} citations, {len(part.states)} states)")
    if answer.usage is not None:
        print(f"usage: {answer.usage.input_tokens} in, {answer.usage.output_tokens} out")


def main():
    stub = connect()
    request = ask(question(), n=2, stream_options=gateway_pb2.StreamOptions(allow_restart=True))
    answer = collect(stub.StreamChat(request, timeout=DEADLINE_SECONDS))
    print_answer(answer)

    # The next turn: the answer goes back whole.
    request.messages.extend([answer.message(0), user("Go on.")])
    request.ClearField("n")
    answer = collect(stub.StreamChat(request, timeout=DEADLINE_SECONDS), show)
    print()
    print_end(answer.end, answer.text())


run(main)
