"""The fenced blocks of a page, as a reader would copy them."""

import dataclasses
import os
import re

from harness import ROOT


@dataclasses.dataclass
class Block:
    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line} ({self.language or 'no language'})"


def blocks_of(page):
    with open(os.path.join(ROOT, page)) as file:
        text = file.read()
    return [Block(page, text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2))
            for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)]
