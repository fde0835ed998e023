"""Events of a stream -> the ChatResponse that a unary Chat would have given."""
from __future__ import annotations

from typing import AsyncIterable, AsyncIterator, Dict, Iterable, Iterator, List, Optional

from sluice.extras_merge import ExtrasMerge
from sluice.v1.gateway_pb2 import (CONTINUATION_MODE_RESTART, OUTCOME_COMPLETE, OUTCOME_FALLBACK, ROLE_ASSISTANT,
                                   ChatEvent, ChatResponse, Choice, Message, Part, StreamChatResponse)

# Event -> the kind of part that it belongs to.
_DELTAS = {"content": "text", "reasoning": "reasoning", "refusal": "refusal", "tool_call_start": "tool_call",
           "tool_call_delta": "tool_call", "media": "media"}


class Collector:
    """One per call. Deltas go by (choice, part), for parts may be open side by side."""

    def __init__(self) -> None:
        self._restart()

    def read(self, call: Iterable[StreamChatResponse]) -> Iterator[ChatEvent]:
        """The events of a call, each collected before it is given. Who leaves the loop early cancels the call."""
        try:
            for response in call:
                for event in response.events:
                    self.add(event)
                    yield event
        finally:
            _cancel(call)

    async def aread(self, call: AsyncIterable[StreamChatResponse]) -> AsyncIterator[ChatEvent]:
        """As `read`, for asyncio."""
        try:
            async for response in call:
                for event in response.events:
                    self.add(event)
                    yield event
        finally:
            _cancel(call)

    def add(self, event: ChatEvent) -> None:
        """ValueError where the event cannot belong to this answer. Kinds that are not known are ignored."""
        if self._rest.HasField("end"):
            raise ValueError("an event after the end")
        kind = event.WhichOneof("kind")
        if kind == "started":
            self._rest.started.CopyFrom(event.started)
        elif kind == "usage":  # cumulative: replaces, never adds up
            self._rest.usage.CopyFrom(event.usage)
        elif kind == "extras":
            merge = self._extras.setdefault(event.extras.wire_format, ExtrasMerge())
            merge.add(event.choice, event.extras.json)
        elif kind == "continuation":
            if event.continuation.mode == CONTINUATION_MODE_RESTART:
                self._restart()
        elif kind == "end":
            self._rest.end.CopyFrom(event.end)
        elif kind == "choice_end":
            end = self._choice(event.choice).rest
            end.finish_reason = event.choice_end.finish_reason
            end.provider_reason = event.choice_end.provider_reason
        elif kind in _DELTAS or kind in ("part_end", "citation"):
            self._choice(event.choice).add(kind, event)

    @property
    def complete(self) -> bool:
        """The end came and says COMPLETE or FALLBACK. Only with the status OK as well, so where the call raised
        nothing, is the answer whole."""
        return self._rest.end.outcome in (OUTCOME_COMPLETE, OUTCOME_FALLBACK)

    def response(self) -> ChatResponse:
        """What is there so far; choices in order of index."""
        response = ChatResponse()
        response.CopyFrom(self._rest)
        response.choices.extend(self._choices[index].choice() for index in sorted(self._choices))
        for wire_format, merge in self._extras.items():
            response.extras_json[wire_format] = merge.json()
        return response

    def message(self, choice: int = 0) -> Message:
        """The answer, to be appended to the next request's messages: nothing that the provider wants back is lost."""
        return self._choices[choice].choice().message if choice in self._choices else Message(role=ROLE_ASSISTANT)

    def text(self, choice: int = 0) -> str:
        """The text of one answer so far, its text parts joined."""
        return "".join(part.text for part in self.message(choice).parts)

    def _restart(self) -> None:
        # All of a void answer goes, what it cost too: the new one tells its own.
        self._rest = ChatResponse()
        self._choices: Dict[int, _OpenChoice] = {}
        self._extras: Dict[str, ExtrasMerge] = {}

    def _choice(self, index: int) -> _OpenChoice:
        return self._choices.setdefault(index, _OpenChoice(index))


class _OpenChoice:
    def __init__(self, index: int) -> None:
        self.rest = Choice(index=index)
        self._parts: Dict[int, _OpenPart] = {}

    def add(self, kind: str, event: ChatEvent) -> None:
        self._parts.setdefault(event.part, _OpenPart()).add(kind, event)
        if kind == "content":
            self.rest.logprobs.extend(event.content.logprobs)

    def choice(self) -> Choice:
        choice = Choice()
        choice.CopyFrom(self.rest)
        choice.message.role = ROLE_ASSISTANT
        parts = (self._parts[index] for index in sorted(self._parts))
        # A part of a kind that is not known here ends too, but has nothing.
        choice.message.parts.extend(part.part() for part in parts if part.kind)
        texts = [part.text for part in choice.message.parts if part.HasField("text")]
        if len(texts) == 1:  # as Message.text says
            choice.message.text = texts[0]
        return choice


class _OpenPart:
    """Text is joined when it is asked for: to append each delta would copy all that came before."""

    def __init__(self) -> None:
        self.kind: Optional[str] = None
        self._rest = Part()
        self._texts: List[str] = []
        self._data: List[bytes] = []

    def add(self, kind: str, event: ChatEvent) -> None:
        if kind == "part_end":
            self._rest.states.extend(event.part_end.states)
        elif kind == "citation":
            self._rest.citations.add().CopyFrom(event.citation)
        else:
            self._add_delta(kind, event)

    def _add_delta(self, kind: str, event: ChatEvent) -> None:
        if self.kind not in (None, _DELTAS[kind]):
            raise ValueError(f"{kind} for part {event.part} of choice {event.choice}, which is of kind {self.kind}")
        self.kind = _DELTAS[kind]
        if kind == "tool_call_start":
            self._rest.tool_call.id = event.tool_call_start.id
            self._rest.tool_call.name = event.tool_call_start.name
        elif kind == "tool_call_delta":
            self._texts.append(event.tool_call_delta.arguments_json)
        elif kind == "media":
            self._rest.media.mime_type = self._rest.media.mime_type or event.media.mime_type
            self._data.append(event.media.data)
            self._texts.append(event.media.transcript)
        else:
            self._texts.append(getattr(event, kind).text)

    def part(self) -> Part:
        part, text = Part(), "".join(self._texts)
        part.CopyFrom(self._rest)
        if self.kind == "text":
            part.text = text
        elif self.kind == "reasoning":
            part.reasoning.text = text
        elif self.kind == "refusal":
            part.refusal.text = text
        elif self.kind == "tool_call":
            part.tool_call.arguments_json = text
        elif self.kind == "media":
            part.media.data = b"".join(self._data)
            part.media.transcript = text
        return part


def _cancel(call: object) -> None:
    # What has ended by itself is not changed by it; a list of responses cannot be cancelled.
    cancel = getattr(call, "cancel", None)
    if cancel:
        cancel()
