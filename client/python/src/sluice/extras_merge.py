"""The Extras of a stream as the one JSON object that a unary Chat would have given
(ChatResponse.extras_json). As text, so that a number stays what the provider wrote."""
from __future__ import annotations

from typing import Dict, Optional, Tuple

_OPEN, _COLON = '{"', '":'


def _only_field(json: str) -> Optional[Tuple[str, str]]:
    """{"key":value} -> key, value."""
    key_end = json.find(_COLON, len(_OPEN))
    if not json.startswith(_OPEN) or not json.endswith("}") or key_end < 0:
        return None
    return json[len(_OPEN):key_end], json[key_end + len(_COLON):-1]


def _is_full_list(json: str) -> bool:
    return len(json) > 2 and json.startswith("[")


def _members(fields: Dict[str, str]) -> str:
    return ",".join(f'"{key}":{value}' for key, value in fields.items())


class ExtrasMerge:
    """One per wire format and answer."""

    def __init__(self) -> None:
        self._answer: Dict[str, str] = {}
        self._choices: Dict[int, Dict[str, str]] = {}

    def add(self, choice: int, json: str) -> None:
        """`json`: Extras.json, an object of one field. What is none is left out."""
        field = _only_field(json)
        if field is None:
            return
        key, value = field
        if key != "choice":
            self._answer[key] = value
            return
        inner = _only_field(value)
        if inner is None:
            return
        fields = self._choices.setdefault(choice, {})
        key, value = inner
        if _is_full_list(fields.get(key, "")) and _is_full_list(value):
            value = f"{fields[key][:-1]},{value[1:]}"
        fields[key] = value

    def json(self) -> str:
        members = [_members(self._answer)] if self._answer else []
        if self._choices:
            choices = (f'{{"index":{index},{_members(self._choices[index])}}}' for index in sorted(self._choices))
            members.append(f'"choices":[{",".join(choices)}]')
        return f'{{{",".join(members)}}}'
