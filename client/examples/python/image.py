"""Asks about an image: python image.py FILE [QUESTION]"""
import mimetypes
import sys

from collector import collect
from common import DEADLINE_SECONDS, MODEL, connect, print_end, question, run, show
from sluice.v1 import gateway_pb2


def main():
    if len(sys.argv) < 2:
        raise ValueError("usage: image.py FILE [QUESTION]")
    path = sys.argv[1]
    with open(path, "rb") as file:
        # An image on the web: url="https://..." in place of data.
        image = gateway_pb2.Media(mime_type=mimetypes.guess_type(path)[0] or "image/png", data=file.read())
    message = gateway_pb2.Message(role=gateway_pb2.ROLE_USER, parts=[
        gateway_pb2.Part(text=question("What is in this image?", skip=1)),
        gateway_pb2.Part(media=image),
    ])
    request = gateway_pb2.ChatRequest(model=MODEL, messages=[message])
    answer = collect(connect().StreamChat(request, timeout=DEADLINE_SECONDS), show)
    print()
    print_end(answer.end, answer.text())


run(main)
