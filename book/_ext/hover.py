"""Words that explain themselves: claim ids (S3, B1, ...) and symbols of the notation page get a hover text.

The first of a section gets it, as an `abbr` with a title; headings, code, links and tables of outputs stay
as they are. Citations have theirs from sphinxcontrib-bibtex.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx

import lglib

NOTATION = "book/notation"
CLAIM = re.compile(r"(?<![\w.-])([TSLB]\d)(?![\w.-]*\w)")
ENTRY = re.compile(r"^(\$.+)\n: (.+(?:\n  .+)*)", re.MULTILINE)
PLAIN = (nodes.title, nodes.literal, nodes.literal_block, nodes.reference, nodes.raw, nodes.abbreviation)
LONGEST = 240  # characters of a hover text
GREEK = ("theta", "Delta", "varepsilon", "sigma", "rho", "kappa", "lambda", "Phi", "varphi", "eta", "beta")
TEX = {f"\\{name}": letter for name, letter in zip(GREEK, "θΔεσρκλΦφηβ", strict=True)}
TEX |= {r"\nabla": "∇", r"\cdot": "·", r"\lVert": "‖", r"\rVert": "‖", r"\mathbb{R}": "R"}
TEX |= {r"^\ast": "*", r"^\top": "ᵀ", r"\operatorname{tr}": "tr"}


def claims(folder: Path) -> dict[str, str]:
    """Statements by claim id, from the file of claims; none where a project has no such file."""
    path = folder / "config" / "claims.yml"
    if not path.is_file():
        return {}
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: f"Claim {name}: {claim['statement']}" for name, claim in found.items()}


def symbols(text: str) -> dict[str, str]:
    """Definitions by symbol, as on the notation page: those of more than one Latin letter.

    A lone letter has other meanings elsewhere. A definition that needs formulas is left out.

    >>> symbols("$g_0$ (`g0`), $H$\\n: The gradient at $\\\\theta_f$. In code: `g`.\\n")
    {'g_0': 'g_0, H: The gradient at θ_f.'}
    """
    found = {}
    for terms, definition in ENTRY.findall(text):
        said = plain(definition)
        names = [re.split(r" = | \\in | \\sim ", term)[0] for term in re.findall(r"\$([^$]+)\$", terms)]
        about = ", ".join(filter(None, map(plain, names)))
        for name in names:
            if said and re.search(r"\\|_", name):
                found[name] = f"{about}: {said}"
    return found


def plain(definition: str) -> str:
    """A definition without marks, whole sentences of it; empty where a formula would be left."""
    text = re.sub(r"\s+", " ", definition).split(" In code:")[0].replace(" (Our reading.)", "")
    text = re.sub(r" ?\{cite(:\w)?\}`[^`]*`", "", text)
    text = re.sub(r"[$`]|(?<![\w^\\])\*(?=\w)|(?<=\w)\*(?!\w)", "", text)
    text = re.sub(r"\\(?:text|mathrm)\{(\w+)\}", r"\1", text)
    for tex, letter in TEX.items():
        text = text.replace(tex, letter)
    kept = ""
    for sentence in re.split(r"(?<=[.;]) ", text):
        if "\\" in sentence or len(kept) + len(sentence) > LONGEST:
            break
        kept = f"{kept} {sentence}".strip()
    return kept


def explained(text: str, known: dict[str, str], new: set[str]) -> list[nodes.Node]:
    """A text as nodes: each known claim id that is still new becomes an abbreviation with its statement."""
    parts: list[nodes.Node] = []
    for i, part in enumerate(CLAIM.split(text)):
        if i % 2 and part in new:
            new.remove(part)
            parts.append(nodes.abbreviation(part, part, explanation=known[part]))
        elif part:
            parts.append(nodes.Text(part))
    return parts


def explain(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give hover texts to a page; Sphinx calls this when its references are resolved."""
    if app.builder.format != "html" or not docname.startswith("book/") or "/api/" in docname:
        return
    statements, known = app.config.hover_claims, app.config.hover_symbols
    new: dict[int, set[str]] = {}
    for node in list(doctree.findall(lambda n: isinstance(n, nodes.Text | nodes.math))):
        above = list(_above(node))
        if any(isinstance(one, PLAIN) for one in above):
            continue
        section = next((id(one) for one in above if isinstance(one, nodes.section)), 0)
        left = new.setdefault(section, {*statements, *known})
        if isinstance(node, nodes.math):
            name = node.astext().strip()
            if name in left and name in known and docname != NOTATION:
                left.remove(name)
                node.parent.replace(
                    node, nodes.abbreviation("", "", node.deepcopy(), explanation=known[name])
                )
        elif not any(isinstance(one, nodes.math) for one in above) and CLAIM.search(node.astext()):
            node.parent.replace(node, explained(node.astext(), statements, left & set(statements)))
            left -= set(CLAIM.findall(node.astext()))


def _above(node: nodes.Node):  # type: ignore[no-untyped-def]
    """The nodes around a node, innermost first."""
    while (node := node.parent) is not None:
        yield node


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    page = Path(app.srcdir) / f"{NOTATION}.md"
    app.add_config_value("hover_claims", claims(Path(lglib.__file__).parents[1]), "env", dict)
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    app.add_config_value("hover_symbols", symbols(text), "env", dict)
    app.connect("doctree-resolved", explain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
