"""Quizzes: five questions a chapter, one answer each, a reason for every option; no script is needed."""

import re
from collections import Counter

import pytest

CHAPTERS = (
    "01_theory",
    "02_synthetic_transformer",
    "02b_models",
    "03_lora_drift",
    "04_llm_rank",
    "05_steering_bridge",
)


@pytest.fixture(scope="module")
def sections(root):
    """Text of each chapter's questions by its page."""
    text = (root / "book" / "quiz.md").read_text(encoding="utf-8")
    parts = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
    return {re.search(r"\{doc\}`chapters/(\w+)`", part)[1]: part for part in parts}


def questions(section):
    """(text, options by letter, the right letter, reasons by letter) of each question."""
    for whole in re.split(r"^\*\*\d\.\*\* ", section, flags=re.MULTILINE)[1:]:
        asked, told = whole.split("<details>")
        text, options = (
            asked.split("\n")[0],
            dict(re.findall(r"^- \*\*([a-z])\.\*\* (.+)$", asked, re.MULTILINE)),
        )
        right = re.findall(r"^\*\*([a-z])\.\*\* (.+)$", told, re.MULTILINE)
        wrong = re.findall(r"^- \*([a-z])\*: (.+)$", told, re.MULTILINE)
        yield text, options, right, dict(right + wrong)


def test_each_of_the_chapters_one_to_five_has_its_questions(root, sections):
    assert tuple(sections) == CHAPTERS
    toc = (root / "_toc.yml").read_text()
    assert "book/quiz\n" in toc
    assert all(f"book/chapters/{page}\n" in toc for page in sections)


@pytest.mark.parametrize("page", CHAPTERS)
def test_five_questions_with_one_answer_and_a_reason_for_each_option(sections, page):
    found = list(questions(sections[page]))
    assert len(found) == 5
    for text, options, right, reasons in found:
        assert len(right) == 1, text
        assert list(options) == ["a", "b", "c"], text
        assert set(reasons) == set(options), text
        assert len(set(options.values())) == len(set(reasons.values())) == 3, text
        assert all(len(reason) > 20 for reason in reasons.values()), text


def test_the_place_of_the_answer_tells_nothing(sections):
    places = Counter(right[0][0] for part in sections.values() for _, _, right, _ in questions(part))
    assert min(places[letter] for letter in "abc") >= 6


def test_an_answer_is_folded_without_a_script(root):
    text = (root / "book" / "quiz.md").read_text(encoding="utf-8")
    assert text.count("<details>\n<summary>Answer to question") == text.count("\n\n</details>") == 30
    assert "<script" not in text
