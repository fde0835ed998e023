"""Asks for JSON that follows a schema, whole: python structured.py [QUESTION]"""
import json

from collector import text_of
from common import DEADLINE_SECONDS, ask, connect, print_end, question, run
from sluice.v1 import gateway_pb2

SCHEMA = gateway_pb2.JsonSchemaFormat(
    name="weather", strict=True,
    schema_json='{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"integer"}},'
                '"required":["city","celsius"],"additionalProperties":false}')


def main():
    request = ask(question("How warm is it in Paris?"),
                  response_format=gateway_pb2.ResponseFormat(json_schema=SCHEMA))
    # Chat: half a JSON document is of no use to a program.
    response = connect().Chat(request, timeout=DEADLINE_SECONDS)
    choice = response.choices[0]
    refusal = "".join(part.refusal.text for part in choice.message.parts)
    if refusal:
        raise ValueError(f"the model refused: {refusal}")
    if choice.finish_reason != gateway_pb2.FINISH_REASON_STOP:
        raise ValueError(f"not whole: {gateway_pb2.FinishReason.Name(choice.finish_reason)}")
    text = text_of(choice.message)
    weather = json.loads(text)
    print(f"city: {weather['city']}")
    print(f"celsius: {weather['celsius']}")
    print_end(response.end, text)


run(main)
