"""Lets the model call a function of ours until it answers: python tools.py [QUESTION]"""
import json

from collector import collect
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run
from sluice.v1 import gateway_pb2

MAX_ROUNDS = 5
GET_WEATHER = gateway_pb2.Tool(
    name="get_weather", description="The weather in a city.",
    parameters_json='{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
CELSIUS = {"Paris": 21, "Oslo": 9}


def get_weather(arguments_json):
    city = json.loads(arguments_json)["city"]
    if city not in CELSIUS:
        raise ValueError("no such city")
    return json.dumps({"celsius": CELSIUS[city]}, separators=(",", ":"))


def call_tool(call):
    """A tool that fails is a result too: the model reads it and goes another way."""
    try:
        if call.name != "get_weather":
            raise ValueError("no such tool")
        result = gateway_pb2.ToolResult(tool_call_id=call.id, text=get_weather(call.arguments_json))
    except (ValueError, KeyError, TypeError) as error:
        result = gateway_pb2.ToolResult(tool_call_id=call.id, text=str(error), is_error=True)
    print(f"tool {call.name} {call.arguments_json} -> {'error: ' if result.is_error else ''}{result.text}")
    return result


def main():
    stub = connect()
    request = ask(question("What is the weather in Paris?"), tools=[GET_WEATHER])
    for _ in range(MAX_ROUNDS):
        answer = collect(stub.StreamChat(request, timeout=DEADLINE_SECONDS))
        message = answer.message()
        if message.parts:
            # Whole, with its reasoning and states: the provider wants them back.
            request.messages.append(message)
        results = [call_tool(part.tool_call) for part in message.parts if part.HasField("tool_call")]
        if not results:
            print(answer.text())
            return print_end(answer.end, answer.text())
        request.messages.append(gateway_pb2.Message(
            role=gateway_pb2.ROLE_TOOL, parts=[gateway_pb2.Part(tool_result=result) for result in results]))
    raise ValueError(f"no answer after {MAX_ROUNDS} rounds of tools")


run(main)
