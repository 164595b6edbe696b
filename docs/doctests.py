"""For the reference: examples in docstrings, paragraphs that begin with >>>, are shown as sessions."""

from __future__ import annotations

import re
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Fences every such paragraph."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"(?:^|(?<=\n\n))(>>>.*?)(?=\n\n|\Z)", r"```pycon\n\1\n```", obj.docstring.value, flags=re.S
            )
