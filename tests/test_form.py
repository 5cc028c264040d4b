"""The form of a page: what is counted, and that chapters on the plan keep its limits."""

import ast
import json
import re

import jupytext
import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from transformers import GPT2Config, GPT2LMHeadModel

import lglib
from lglib.report import provenance
from workflow import form

TABLE = "<table><tr><th></th><th>{}</th></tr><tr><td>a</td><td>{}</td></tr></table>"


@pytest.fixture
def page(tmp_path):
    """Writes an executed notebook of these cells and returns its form."""

    def write(*cells, known=()):
        path = tmp_path / "04_page.ipynb"
        path.write_text(json.dumps({"cells": list(cells)}), encoding="utf-8")
        return form.of(path, known)

    return write


def prose(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def code(source, *outputs, tags=()):
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source, "outputs": list(outputs)}


def test_words_are_those_that_are_read(page):
    folded = ":::{prf:proof}\n:class: dropdown\n\nfolded\n:::\n"
    text = f"# A title\n\nFour words are here.\n\n$$ x = 1 $$ (eq-x)\n\n{folded}"
    assert page(prose(text)).words == len(["#", "A", "title", "Four", "words", "are", "here."])


def test_a_proof_that_is_open_counts(page):
    assert page(prose(":::{prf:proof}\nTwo words\n:::")).words == 2


def test_cells_whose_code_is_folded_are_not_counted(page):
    found = page(code("a\nb\nc"), code("a", tags=["hide-input"]), code(""))
    assert (found.cells, found.longest) == (1, 3)


def test_figures_and_tables_are_those_of_the_outputs(page):
    image = {"output_type": "display_data", "data": {"image/png": "x"}}
    narrow = {"output_type": "display_data", "data": {"text/html": TABLE.format("b", "two words")}}
    wide = {"output_type": "display_data", "data": {"text/html": TABLE.format("b", "w" * 60)}}
    found = page(code("x", image, narrow, wide))
    assert (found.figures, found.tables, found.wide) == (1, 2, 1)


@pytest.mark.parametrize(
    ("text", "unprinted"),
    [
        ("a share of 0.61", ()),
        ("a share of $0.61$ and 0.62", ("0.62",)),
        ("GPT-2 and Qwen2.5-0.5B, {eq}`eq-99.5`, `0.77`, $x = 0.5$, three and 12", ()),
        ("the 128 items", ("128",)),
        ("the paper's 0.77", ()),
        ("1,024 tokens", ("1,024",)),
    ],
)
def test_a_number_in_prose_is_one_that_was_printed(page, text, unprinted):
    stream = {"output_type": "stream", "name": "stdout", "text": "capture 0.6123"}
    assert page(prose(text), code("x", stream), known=[0.77]).unprinted == unprinted


def test_limits_that_are_passed_are_named(page):
    found = page(prose("word " * 1801), *[code("x")] * 13)
    assert found.beyond() == ["words: 1801, at most 1800", "cells: 13, at most 12"]


def on_the_plan(root):
    """Main pages of chapters that have a supplement."""
    chapters = provenance.chapters(root)
    return [c for c in chapters if form.is_main(c) and c.replace("_", "s_", 1) in chapters]


def test_the_main_page_of_a_chapter_keeps_the_limits(root):
    known = form.papers(root)
    folder = root / "book" / "chapters"
    there = [folder / f"{c}.ipynb" for c in on_the_plan(root) if (folder / f"{c}.ipynb").is_file()]
    assert there
    assert {path.stem: form.of(path, known).beyond() for path in there} == {path.stem: [] for path in there}


def test_no_page_tells_a_number_that_nothing_printed(root):
    known = form.papers(root)
    told = {p.stem: form.of(p, known).unprinted for p in (root / "book" / "chapters").glob("*.ipynb")}
    assert {name: numbers for name, numbers in told.items() if numbers} == {}


def advice(root):
    """The advice of each chapter that has one, by page."""
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if "advice" in cell["metadata"].get("tags", []):
                found[path.stem] = "".join(cell["source"])
    return found


@pytest.fixture(scope="module")
def stranger():
    """A plain model of transformers, as anyone has one, and the names that an advice may use."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=2, n_head=2)
    config.pad_token_id = config.eos_token_id = config.bos_token_id = 0
    net = GPT2LMHeadModel(config).eval()
    ids = [torch.randint(1, 64, (1, 8)) for _ in range(8)]
    other = torch.randn(16)
    shape = LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    adapted = [get_peft_model(GPT2LMHeadModel(config), shape) for _ in range(2)]
    return {
        "lglib": lglib,
        "torch": torch,
        "net": net,
        "ids": ids,
        "other": other,
        "labels": torch.arange(8) < 4,
        "states": [get_peft_model_state_dict(one) for one in adapted],
    }


def test_each_advice_is_short_and_runs_on_a_plain_model(root, stranger, capsys):
    found = advice(root)
    assert set(on_the_plan(root)) <= set(found)
    for page, source in found.items():
        lines = [line for line in source.splitlines() if line.strip()]
        assert len(lines) <= 5, page
        assert max(map(len, lines)) <= 88, page
        exec(compile(source, page, "exec"), dict(stranger))
        assert re.search(r"\d", capsys.readouterr().out), page


def test_a_cell_with_a_figure_shows_that_alone(root):
    """Two outputs of one cell would bear the figure's name twice, which the strict build refuses."""
    wrong = []
    for path in sorted((root / "notebooks").glob("*.py")):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code" and "figure" in cell.metadata.get("mystnb", {}):
                last = ast.parse(cell.source).body[-1]
                told = ast.unparse(last) if isinstance(last, ast.Expr) else ""
                if re.match(r"\w+\.(set|plot|legend|axhline|axvline|scatter|bar|text)\(", told):
                    wrong.append(f"{path.stem}: {told}")
    assert wrong == []
