"""Proofs that fold: one of the class `dropdown` gets the title on which sphinx-togglebutton puts its button.

sphinx-proof writes the word "Proof." into the first paragraph and makes no title, and without a title the
script of the button stops with an error.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx_proof.nodes import proof_node

WORD = "Proof. "


def give_titles(app: Sphinx, doctree: nodes.document) -> None:
    """Move the word out of the first paragraph into a title; Sphinx calls this for each page it has read.

    No proof keeps its id: all of them have the same.
    """
    for proof in (inside for node in doctree.findall(proof_node) for inside in node.children):
        proof["ids"] = []
        if "dropdown" in proof["classes"]:
            first = next(iter(proof.findall(nodes.Text)))
            first.parent.replace(first, nodes.Text(first.removeprefix(WORD)))
            proof.insert(0, nodes.paragraph("", "Proof", classes=["admonition-title"]))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", give_titles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
