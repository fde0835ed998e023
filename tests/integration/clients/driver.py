"""Does with the installed Python package what a test says: a JSON line in for each
job, JSON lines out, until there are no more.

    driver.py sync|aio call    calls, and tells each piece of text, then what was collected
    driver.py sync cases       collects each case's events
"""
import asyncio
import base64
import json
import os
import sys

import grpc
import sluice
from google.protobuf import json_format
from sluice.v1 import gateway_pb2, gateway_pb2_grpc


def tell(**line):
    print(json.dumps(line), flush=True)


def encoded(message):
    return base64.b64encode(message.SerializeToString()).decode()


def failure_of(error):
    failure = sluice.decode_error(error)
    return {"code": failure.code.name, "message": failure.message, "reason": failure.reason,
            "metadata": dict(failure.metadata), "retry_after": failure.retry_after,
            "attempts": [attempt.error_message for attempt in failure.attempts],
            "omitted": failure.omitted_attempts, "from_gateway": failure.from_gateway, "line": str(failure)}


def told(answer, error):
    tell(response=encoded(answer.response()), complete=answer.complete, text=answer.text(),
         failure=failure_of(error) if error else None)


def channel(make, job):
    pem = {name: open(job[name], "rb").read() for name in ("ca", "cert", "key") if name in job}
    return make(os.environ["SLUICE_SERVER"], **pem)


class Steps:
    """When the loop is left or the call cancelled."""

    def __init__(self, job, call):
        self.job, self.call, self.seen = job, call, 0

    def leave(self, event):
        if not event.HasField("content"):
            return False
        tell(content=event.content.text)
        self.seen += 1
        if self.seen == self.job.get("cancel_after"):
            self.call.cancel()
        return self.seen == self.job.get("leave_after")


def turns(job):
    """Requests, each with the answers so far."""
    request = gateway_pb2.ChatRequest.FromString(base64.b64decode(job["request"]))
    for question in job.get("next", []) + [None]:
        answer = sluice.Collector()
        yield request, answer
        request.messages.append(answer.message())
        request.messages.append(gateway_pb2.Message(role=gateway_pb2.ROLE_USER, text=question or ""))


def call_sync(job):
    with channel(sluice.connect, job) as connection:
        gateway = gateway_pb2_grpc.GatewayStub(connection)
        for request, answer in turns(job):
            error = None
            try:
                if job.get("unary"):
                    tell(unary=encoded(gateway.Chat(request, timeout=job["timeout"])))
                call = gateway.StreamChat(request, timeout=job["timeout"])
                steps = Steps(job, call)
                for event in answer.read(call):
                    if steps.leave(event):
                        break
            except grpc.RpcError as raised:
                error = raised
            told(answer, error)


async def call_aio(job):
    async with channel(sluice.connect_aio, job) as connection:
        gateway = gateway_pb2_grpc.GatewayStub(connection)
        for request, answer in turns(job):
            error = None
            try:
                if job.get("unary"):
                    tell(unary=encoded(await gateway.Chat(request, timeout=job["timeout"])))
                call = gateway.StreamChat(request, timeout=job["timeout"])
                steps = Steps(job, call)
                async for event in answer.aread(call):
                    if steps.leave(event):
                        break
            except grpc.RpcError as raised:
                error = raised
            except asyncio.CancelledError:
                tell(cancelled=True)  # as grpc.aio tells its caller who cancelled
            told(answer, error)


async def calls_aio():
    while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        await call_aio(json.loads(line))


def cases(table):
    for case in table:
        collector, refused = sluice.Collector(), None
        for index, event in enumerate(case["events"]):
            try:
                collector.add(json_format.ParseDict(event, gateway_pb2.ChatEvent()))
            except ValueError:
                refused = index
        tell(name=case["name"], response=encoded(collector.response()), complete=collector.complete, refused=refused)


def main():
    how, what = sys.argv[1:]
    if how == "aio":
        return asyncio.run(calls_aio())
    for line in sys.stdin:
        (cases if what == "cases" else call_sync)(json.loads(line))


main()
