"""Events of a stream -> whole messages, which can be appended to the next request."""
from sluice.v1 import gateway_pb2


class Collector:
    """The answer so far. Takes every event of one stream, in order."""

    def __init__(self):
        self._restart()

    def _restart(self):
        self._parts = {}  # choice -> {part -> Part}
        self.finish = {}  # choice -> ChoiceEnd
        self.started = None
        self.usage = None
        self.end = None

    def add(self, event):
        kind = event.WhichOneof("kind")
        if kind == "started":
            self.started = event.started
        elif kind == "choice_end":
            self.finish[event.choice] = event.choice_end
        elif kind == "usage":
            self.usage = event.usage  # Replaces; it is never added up.
        elif kind == "end":
            self.end = event.end
        elif kind == "continuation":
            if event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
                self._restart()  # What was shown is void.
        elif kind in ADD_TO_PART:
            # Parts may be open side by side: each delta goes to its own.
            parts = self._parts.setdefault(event.choice, {})
            ADD_TO_PART[kind](parts.setdefault(event.part, gateway_pb2.Part()), getattr(event, kind))
        # Kinds that this program does not know are ignored.

    def choices(self):
        return sorted(self._parts)

    def message(self, choice=0):
        """As the next request's history wants it: with reasoning, tool calls and states."""
        parts = [part for _, part in sorted(self._parts.get(choice, {}).items())]
        # A citation alone makes no part.
        return gateway_pb2.Message(role=gateway_pb2.ROLE_ASSISTANT,
                                   parts=[part for part in parts if part.WhichOneof("kind") or part.states])

    def text(self, choice=0):
        return text_of(self.message(choice))


def text_of(message):
    return "".join(part.text for part in message.parts)


def _content(part, delta):
    part.text += delta.text


def _reasoning(part, delta):
    part.reasoning.text += delta.text


def _refusal(part, delta):
    part.refusal.text += delta.text


def _tool_call_start(part, start):
    part.tool_call.id = start.id
    part.tool_call.name = start.name


def _tool_call_delta(part, delta):
    part.tool_call.arguments_json += delta.arguments_json


def _media(part, delta):
    if delta.mime_type:
        part.media.mime_type = delta.mime_type
    part.media.data += delta.data
    part.media.transcript += delta.transcript


def _citation(part, citation):
    part.citations.append(citation)


def _part_end(part, part_end):
    part.states.extend(part_end.states)


ADD_TO_PART = {
    "content": _content, "reasoning": _reasoning, "refusal": _refusal, "tool_call_start": _tool_call_start,
    "tool_call_delta": _tool_call_delta, "media": _media, "citation": _citation, "part_end": _part_end,
}


def collect(responses, on_text=None):
    """Reads a stream to its end; raises what the call raises. Only a stream with its
    end record is an answer."""
    collector = Collector()
    for response in responses:
        for event in response.events:
            collector.add(event)
            if on_text and event.HasField("content") and event.choice == 0:
                on_text(event.content.text)
            elif on_text and event.continuation.mode == gateway_pb2.CONTINUATION_MODE_RESTART:
                on_text("\n--- cut; the answer begins anew ---\n")
    if collector.end is None:
        raise ValueError("no end record: the answer is incomplete")
    return collector
