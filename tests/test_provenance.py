"""The code hash: what makes results stale, and what does not."""

import shutil

import pytest

from lglib.report import provenance


@pytest.fixture
def copy(root, tmp_path):
    for folder in ("notebooks", "lglib"):
        shutil.copytree(root / folder, tmp_path / folder)
    shutil.copy2(root / "_toc.yml", tmp_path)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("lglib/plots.py", '"lines.linewidth": 1.8', '"lines.linewidth": 3'),
        ("lglib/theory.py", '"""Laws and nulls', '"""Laws & nulls'),
        ("lglib/search.py", "    order = np.argsort(", "\n    # a comment\n    order = np.argsort("),
        ("notebooks/01_theory.ipynb", "# Theory: what", "# On theory: what"),
        ("lglib/search.py", '"""Mean best of n with', '"""The mean best of n with'),
    ],
)
def test_prose_comments_docstrings_and_plots_do_not_make_results_stale(copy, file, old, new):
    before = provenance.code_hash("01_theory", copy)
    edit(copy / file, old, new)
    assert provenance.code_hash("01_theory", copy) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("notebooks/01_theory.ipynb", "probes=24", "probes=25"),
        ("lglib/keys.py", "digest_size=8", "digest_size=7"),
        ("lglib/maxima.py", "-14 * 64", "-13 * 64"),  # imported by theory, not by the chapter
    ],
)
def test_code_of_the_chapter_or_of_any_module_behind_it_does(copy, file, old, new):
    before = provenance.code_hash("01_theory", copy)
    edit(copy / file, old, new)
    assert provenance.code_hash("01_theory", copy) != before


def test_modules_are_followed_to_the_end_of_the_imports(root):
    found = provenance.library_modules("from lglib import across, plots", root)
    assert "plots" not in found
    assert {"across", "results", "stats", "theory", "maxima", "arguments"} <= set(found)


def test_an_import_of_a_module_that_does_not_exist_is_named(root):
    with pytest.raises(FileNotFoundError, match=r"lglib\.nowhere"):
        provenance.library_modules("from lglib import nowhere", root)


def test_strings_that_look_like_comments_stay_code():
    assert provenance.code_only('x = "# not a comment"  # a comment') == 'x = "# not a comment"'


def test_a_multi_line_string_that_is_no_docstring_stays_code():
    assert "kept" in provenance.code_only('x = """\nkept\n"""')


def test_magics_do_not_stop_the_hash():
    assert provenance.code_only("%matplotlib inline\nx = 1") == "pass\nx = 1"


def test_a_folder_outside_the_project_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="inside the cloned repository"):
        provenance.project_root(tmp_path)


def test_an_unknown_chapter_names_the_chapters_there_are(root):
    with pytest.raises(ValueError, match="'07_x'; there is: 01_theory"):
        provenance.code_hash("07_x", root)


def test_only_a_docstring_alone_on_its_lines_is_dropped():
    assert provenance.code_only('"doc"; x = 1') == '"doc"; x = 1'
    assert provenance.code_only('def f(): "doc"') == 'def f(): "doc"'
    assert provenance.code_only('def f():\n    "dóc"  # why\n    return 1') == "def f():\n    return 1"


@pytest.mark.parametrize("prefix", ["", "f"])
def test_blank_lines_and_trailing_spaces_within_a_string_count(prefix):
    source = f'x = {prefix}"""\na  \n\n%b"""  # c\n\ny = 1  '
    assert provenance.code_only(source) == f'x = {prefix}"""\na  \n\n%b"""\ny = 1'


def test_magics_count_as_such_in_notebook_cells_only():
    assert provenance.code_only("x = !ls\nx?") == "x = '!ls'\npass"
    assert provenance.code_only("%%time\nx = 1  # c") == "%%time\nx = 1"
    assert provenance.code_only("%%bash\nls | x  # c") == "%%bash\nls | x  # c"
    with pytest.raises(SyntaxError):
        provenance.code_only("%matplotlib inline", magics=False)
    assert provenance.code_only("x = (5\n%3)") == "x = (5\n%3)"


def test_relative_imports_are_followed_and_a_bare_import_is_refused():
    found = provenance.imported_modules("from . import stats\nfrom .theory import x\nfrom os import path")
    assert found == {"stats", "theory"}
    with pytest.raises(ValueError, match="line 1: write `from lglib import"):
        provenance.imported_modules("import lglib")


def test_a_chapter_with_magics_has_a_hash(copy):
    before = provenance.code_hash("01_theory", copy)
    edit(
        copy / "notebooks/01_theory.ipynb",
        '"import numpy as np',
        '"%matplotlib inline\\n",\n    "import numpy as np',
    )
    assert provenance.code_hash("01_theory", copy) != before


def test_the_hash_of_a_module_holds_all_that_it_imports_and_nothing_else(copy):
    def hashes():
        return {
            name: provenance.library_hash([name], copy) for name in ("multitask", "cache", "keys", "gates")
        }

    before = hashes()
    assert len({*before.values()}) == 4
    edit(copy / "lglib/keys.py", "digest_size=8", "digest_size=7")  # multitask, through tasks
    after = hashes()
    assert {name for name in before if after[name] != before[name]} == {"multitask", "keys"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("multitask.py", "of base training", "of the first training"),
        ("tasks.py", '"""Synthetic tasks: digits in', '"""Made-up tasks: digits in'),
        ("progress.py", "EVERY = 3.0", "EVERY = 5.0"),
        ("provenance.py", "hexdigest()[:16]", "hexdigest()[:12]"),
        ("gates.py", "0 <= bar <= 1", "0 < bar <= 1"),
    ],
)
def test_prose_progress_and_strangers_leave_the_hash_of_a_module_alone(copy, file, old, new):
    before = provenance.library_hash(["multitask"], copy)
    edit(copy / "lglib" / file, old, new)
    assert provenance.library_hash(["multitask"], copy) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("multitask.py", "1e-3, 50, 1.0, 128", "1e-3, 50, 1.0, 64"),
        ("tasks.py", "(x + 3) % DIGITS", "(x + 4) % DIGITS"),
        ("train.py", "momentum=0.9", "momentum=0.8"),
        ("transformer.py", "0.02 * (768 / width)", "0.03 * (768 / width)"),
        ("params.py", "MAX_DENSE = 4000", "MAX_DENSE = 4001"),
    ],
)
def test_code_of_any_module_behind_it_changes_the_hash_of_a_module(copy, file, old, new):
    before = provenance.library_hash(["multitask"], copy)
    edit(copy / "lglib" / file, old, new)
    assert provenance.library_hash(["multitask"], copy) != before


def test_the_hash_of_modules_does_not_depend_on_their_order_or_the_folder(copy, root):
    one = provenance.library_hash(["stats", "keys", "gates"], copy)
    assert one == provenance.library_hash(["gates", "stats", "keys", "keys"], root)
    assert one != provenance.library_hash(["gates", "stats"], root)
    assert provenance.library_hash(["stats", "theory"], root) == provenance.library_hash(["stats"], root)


def test_the_hash_of_a_module_that_does_not_exist_names_it(copy):
    with pytest.raises(FileNotFoundError, match=r"lglib\.nowhere"):
        provenance.library_hash(["stats", "nowhere"], copy)


def test_the_hash_of_no_module_is_refused_in_words(copy):
    with pytest.raises(ValueError, match="modules"):
        provenance.library_hash([], copy)
