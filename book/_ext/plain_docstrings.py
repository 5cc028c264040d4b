"""Read lglib's docstrings as plain text: `name` is code, and ||x||, *, _ and backslash mean themselves."""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(`+[^`]*`+)")  # `x` and ``x``
LABEL = re.compile(r"^\s*(>>> |\.\.\. |\.\. |:\w)")  # doctests, directives, fields: reST as it stands


def escape(lines: list[str]) -> list[str]:
    """Return the lines as reST that prints what they say.

    >>> escape(["the norm ||x|| of `x`", ">>> 2 | 1"])
    ['the norm \\\\|\\\\|x\\\\|\\\\| of ``x``', '>>> 2 | 1']
    """
    out, verbatim = [], False
    for line in lines:
        if LABEL.match(line):
            verbatim = line.lstrip().startswith((">>>", "...")) or verbatim
        elif not line.strip():
            verbatim = False
        elif not verbatim:
            parts = CODE.split(line)  # text, code, text, code, ..., text
            parts[::2] = [re.sub(r"([\\|*_])", r"\\\1", text) for text in parts[::2]]
            parts[1::2] = [f"``{code.strip('`')}``" for code in parts[1::2]]
            line = "".join(parts)
        out.append(line)
    return out


def process(
    app: Sphinx, what: str, name: str, obj: object, options: dict[str, Any], lines: list[str]
) -> None:
    """Rewrite a docstring in place; autodoc calls this before napoleon."""
    if name == "lglib" or name.startswith("lglib."):
        lines[:] = escape(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
