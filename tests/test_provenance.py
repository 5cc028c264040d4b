"""Provenance: what makes observations stale and what does not; a stamp of what ran."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from lglib.report import closure, in_memory, provenance

SMALL = {
    "__init__.py": "",
    "base/__init__.py": "",
    "base/checks.py": "def count(n):\n    return n\n",
    "base/progress.py": "EVERY = 3.0\n",
    "geometry/__init__.py": """
        from lglib.geometry.drift import half_life
        from lglib.geometry.subspace import Subspace, capture as share
        LAZY = {"angles": "principal"}
        SIZE = 3
        """,
    "geometry/subspace.py": "from lglib.base import checks\n\n\nclass Subspace:\n    k = checks.count(1)\n",
    "geometry/drift.py": "from lglib.base.checks import count\n\n\ndef half_life():\n    return count(7)\n",
    "geometry/principal.py": "def angles():\n    return 1\n",
    "tasks/__init__.py": "",
    "tasks/items.py": "SIDES = 2\n",
    "tasks/microworld/__init__.py": "",
    "tasks/microworld/lexicon.py": "WORDS = ('lamp', 'tower')\n",
    "tasks/microworld/facts.py": "from .lexicon import WORDS\nfrom ..items import SIDES\n",
    "report/__init__.py": "",
    "report/observations.py": "DIGITS = 6\n",
    "studies/__init__.py": "NAMES = ('lora',)\n",
    "studies/base.py": "class Parameters:\n    pass\n",
    "studies/lora.py": '''
        """What the chapter measures."""
        from typing import TYPE_CHECKING
        from lglib.base import progress
        from lglib.geometry import Subspace
        from lglib.report.observations import DIGITS
        from lglib.studies.base import Parameters
        from lglib.tasks.microworld import facts
        if TYPE_CHECKING:
            from lglib.geometry.drift import half_life


        def measure(seed):
            """Measure."""
            return seed + 1  # one
        ''',
    "studies/rank/__init__.py": "from lglib.studies.rank.spectra import measure\n",
    "studies/rank/spectra.py": "from lglib.geometry import angles\n\n\ndef measure():\n    return angles()\n",
    "studies/rank/stray.py": "from lglib.geometry import share\n",
    "studies/bridge.py": "def measure():\n    from lglib.geometry import half_life\n    return half_life()\n",
    "studies/theory.py": "from lglib import geometry\n",
}
OF_LORA = {
    *("lglib.base.checks", "lglib.geometry.subspace", "lglib.studies.lora"),
    *("lglib.tasks.items", "lglib.tasks.microworld.facts", "lglib.tasks.microworld.lexicon"),
}


@pytest.fixture
def small(tmp_path):
    for name, text in SMALL.items():
        path = tmp_path / "lglib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def behind(root, study):
    package = root / "lglib"
    return set(closure.behind(provenance._modules_of(study, package), package))


def hashes(root):
    return {study: provenance.code_hash(study, root) for study in ("lora", "rank", "bridge", "theory")}


# --- which code stands behind a study


def test_a_name_of_a_face_is_followed_to_its_module_and_no_further(small):
    assert behind(small, "lora") == OF_LORA


def test_a_study_in_a_folder_is_all_its_files(small):
    own = {"lglib.studies.rank", "lglib.studies.rank.spectra", "lglib.studies.rank.stray"}
    assert behind(small, "rank") == own | {
        "lglib.geometry.principal",
        "lglib.geometry.subspace",
        "lglib.base.checks",
    }


def test_an_import_within_a_function_counts_and_a_whole_face_is_all_that_it_takes(small):
    assert "lglib.geometry.drift" in behind(small, "bridge")
    rooms = {"lglib.geometry", "lglib.geometry.drift", "lglib.geometry.subspace"}
    assert behind(small, "theory") == rooms | {"lglib.base.checks", "lglib.studies.theory"}


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("geometry/drift.py", "count(7)", "count(8)", {"bridge", "theory"}),
        ("geometry/subspace.py", "count(1)", "count(2)", {"lora", "rank", "theory"}),
        ("geometry/principal.py", "return 1", "return 2", {"rank"}),
        ("base/checks.py", "return n", "return +n", {"lora", "rank", "bridge", "theory"}),
        ("tasks/microworld/lexicon.py", "tower", "castle", {"lora"}),
        ("studies/lora.py", "seed + 1", "seed + 2", {"lora"}),
        ("studies/rank/stray.py", "share", "share as s", {"rank"}),
    ],
)
def test_a_change_in_a_tool_makes_stale_just_the_studies_that_use_it(small, file, old, new, stale):
    before = hashes(small)
    edit(small / "lglib" / file, old, new)
    after = hashes(small)
    assert {study for study in before if before[study] != after[study]} == stale


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("studies/lora.py", "What the chapter measures", "What is measured"),
        ("studies/lora.py", "Measure.", "Measure it."),
        ("studies/lora.py", "# one", "# two"),
        ("studies/lora.py", "\n\n\ndef", "\n\n\n\n\ndef"),
        ("report/observations.py", "6", "7"),
        ("base/progress.py", "3.0", "5.0"),
        ("studies/__init__.py", "('lora',)", "('lora', 'rank')"),
        ("studies/base.py", "pass", "x = 1"),
        ("geometry/__init__.py", "SIZE = 3", "TALL = 4"),
    ],
)
def test_prose_figures_progress_and_faces_leave_a_study_current(small, file, old, new):
    before = {k: v for k, v in hashes(small).items() if k != "theory"}  # that imports the face itself
    edit(small / "lglib" / file, old, new)
    assert {k: v for k, v in hashes(small).items() if k != "theory"} == before


def test_the_hash_does_not_depend_on_the_folder(small, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(small / "lglib", other / "lglib")
    assert hashes(other) == hashes(small)


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ("from lglib.geometry import *", ValueError, "not a star"),
        ("from lglib.nowhere import x", FileNotFoundError, r"lglib.studies.lora imports lglib\.nowhere"),
    ],
)
def test_an_import_that_says_nothing_or_leads_nowhere_is_refused_and_named(small, source, error, told):
    (small / "lglib/studies/lora.py").write_text(source)
    with pytest.raises(error, match=told):
        provenance.code_hash("lora", small)


def test_a_study_that_does_not_exist_is_refused(small):
    with pytest.raises(ValueError, match="study is '03_lora'; there is: theory, quadratic, synthetic"):
        provenance.code_hash("03_lora", small)
    with pytest.raises(ValueError, match="study models has neither"):
        provenance.code_hash("models", small)


def test_the_hash_of_modules_holds_what_they_import_and_no_module_is_refused(small):
    one = provenance.library_hash(["geometry.drift"], small)
    edit(small / "lglib/geometry/principal.py", "1", "2")
    assert provenance.library_hash(["geometry.drift"], small) == one
    edit(small / "lglib/base/checks.py", "return n", "return -n")
    assert provenance.library_hash(["geometry.drift"], small) != one
    with pytest.raises(ValueError, match="modules is empty"):
        provenance.library_hash([], small)


# --- the real ones


@pytest.fixture(params=provenance.STUDIES)
def study(request, root):
    folder = root / "lglib" / "studies"
    if not (folder / request.param).is_dir() and not (folder / f"{request.param}.py").is_file():
        pytest.skip("not there yet")
    return request.param


def test_no_figure_and_no_notebook_stands_behind_a_study(root, study):
    found = behind(root, study)
    assert not [name for name in found if name.startswith("lglib.report") or name == "lglib.base.progress"]


def test_prose_of_a_study_and_figures_do_not_make_its_observations_stale(root, tmp_path, study):
    shutil.copytree(root / "lglib", tmp_path / "lglib", ignore=shutil.ignore_patterns("*.safetensors"))
    before = provenance.code_hash(study, tmp_path)
    for path in [*(tmp_path / "lglib" / "report").rglob("*.py"), *(tmp_path / "lglib").rglob("progress.py")]:
        path.write_text(path.read_text() + "\nCHANGED = 1\n")
    for path in (tmp_path / "lglib").rglob("*.py"):
        path.write_text(path.read_text() + "\n\n\n# a comment\n")
    assert provenance.code_hash(study, tmp_path) == before


def test_the_faces_of_rooms_hold_only_imports(root):
    for path in (root / "lglib").glob("*/__init__.py"):
        if path.parent.name not in ("report", "tasks", "studies"):  # lazy; and the plan of the studies
            code = closure.code_only(path.read_text())
            found = [type(node).__name__ for node in closure.ast.parse(code).body]
            lines = [line for line in code.splitlines() if not line.startswith((" ", ")", "]"))]
            assert set(found) <= {"ImportFrom", "Assign", "AugAssign"}, path
            assert all(line.startswith(("from ", "__all__")) for line in lines), path


def test_a_hash_needs_no_torch(root):
    code = "import sys; from lglib.report import provenance; provenance.library_hash(['models.lora'])"
    command = [sys.executable, "-c", f"{code}; assert not {{'torch', 'pandas'}} & set(sys.modules)"]
    subprocess.run(command, check=True, cwd=root)


def test_the_studies_are_those_of_the_library():
    from lglib import studies
    from lglib.report import claims

    assert provenance.STUDIES == claims.STUDIES == studies.NAMES


# --- the stamp is of what ran


STUDY = '''
    """A study."""
    import contextlib
    from lglib.base import checks

    BAR = 0.5
    SEEN = {}


    def measure(seed, step=1):
        """Measure."""
        SEEN[seed] = checks.count("seed", seed)
        return BAR * seed, [s + 1 for s in range(3)]


    @contextlib.contextmanager
    def restored():
        yield 1


    class Run:
        """A run."""

        @property
        def length(self):
            """Length."""
            return 1

        @staticmethod
        def twice(x):
            return 2 * x
    '''


@pytest.fixture
def running(root, tmp_path):
    """Run Python in a copy of lglib whose study `lora` is STUDY; `path` is its file."""
    for room in ("report", "base", "theory"):
        shutil.copytree(root / "lglib" / room, tmp_path / "lglib" / room)
    (tmp_path / "lglib" / "__init__.py").touch()
    (tmp_path / "lglib" / "studies").mkdir()
    (tmp_path / "lglib" / "studies" / "__init__.py").touch()
    (tmp_path / "lglib" / "studies" / "lora.py").write_text(textwrap.dedent(STUDY).lstrip())

    def run(code):
        start = """
            from pathlib import Path
            import sys
            from lglib.report import provenance
            from lglib.studies import lora
            path = Path(lora.__file__)
            def edit(old, new, path=path):
                assert old in path.read_text()
                path.write_text(path.read_text().replace(old, new, 1))
            lora.measure(3)
            """
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(code)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_stamp_is_the_hash_of_the_code_that_ran(running):
    found = running("assert provenance.stamp('lora') == provenance.code_hash('lora')")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A study.", "The study."),
        ("Measure.", "Measure it."),
        ("BAR =", "# a comment\nBAR ="),
        ("A run.", "Run."),
    ],
)
def test_prose_that_is_edited_while_it_runs_does_no_harm(running, old, new):
    found = running(
        f"edit({old!r}, {new!r})\nassert provenance.stamp('lora') == provenance.code_hash('lora')"
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        ("edit('BAR * seed', 'BAR + seed')", "lora: measure in memory"),
        ("edit('s + 1 for', 's + 2 for')", "lora: measure in memory"),
        ("edit('BAR = 0.5', 'BAR = 0.6')", "lora: BAR in memory"),
        ("edit('yield 1', 'yield 2')", "lora: restored in memory"),
        ("edit('return 1', 'return 3')", "lora: Run.length in memory"),
        ("edit('2 * x', '3 * x')", "lora: Run.twice in memory"),
        ("edit('class Run', 'def new():\\n    return 1\\n\\n\\nclass Run')", "lora: new in memory"),
        ("lora.measure = lambda seed: 0", "lora: measure in memory"),
        ("lora.BAR = 0.7", "lora: BAR in memory"),
        ("lora.checks.count = max", "lglib.base.checks: count in memory"),
        ("lora.Run.twice = staticmethod(lambda x: x)", "lora: Run.twice in memory"),
        ("sys.modules['lglib.studies.lora'].__file__ = '/tmp/copy.py'", "was loaded from /tmp/copy.py"),
    ],
)
def test_code_that_was_edited_or_replaced_after_it_was_loaded_is_refused_and_named(running, edited, told):
    found = running(f"{edited}\nprovenance.stamp('lora')")
    assert "RuntimeError: lglib." in found.stderr
    assert told in found.stderr


def test_code_that_is_edited_during_the_measurement_is_refused(running):
    found = running("with provenance.unchanged('lora'):\n    edit('step=1', 'step=2')")
    assert "RuntimeError: the code of study lora was edited while it ran" in found.stderr


def test_a_study_that_did_not_run_here_gets_no_stamp(running):
    found = running("del sys.modules['lglib.studies.lora']\nprovenance.stamp('lora')")
    assert "ValueError: study lora did not run in this process" in found.stderr


def test_a_name_of_the_face_of_reports_is_imported_when_it_is_asked_for():
    from lglib import report

    assert all(getattr(report, name) for name in report.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = report.nonsense


def test_every_module_in_memory_is_that_of_its_file():
    for name, module in sorted(sys.modules.items()):
        if name.startswith("lglib.report.") and module.__file__:
            assert in_memory.differences(module, Path(module.__file__).read_text()) == []


def test_a_folder_outside_the_project_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="inside the cloned repository"):
        provenance.project_root(tmp_path)


# --- code as text


def test_strings_that_look_like_comments_stay_code():
    assert closure.code_only('x = "# not a comment"  # a comment') == 'x = "# not a comment"'


def test_a_multi_line_string_that_is_no_docstring_stays_code():
    assert "kept" in closure.code_only('x = """\nkept\n"""')


def test_only_a_docstring_alone_on_its_lines_is_dropped():
    assert closure.code_only('"doc"; x = 1') == '"doc"; x = 1'
    assert closure.code_only('def f(): "doc"') == 'def f(): "doc"'
    assert closure.code_only('def f():\n    "dóc"  # why\n    return 1') == "def f():\n    return 1"


@pytest.mark.parametrize("prefix", ["", "f"])
def test_blank_lines_and_trailing_spaces_within_a_string_count(prefix):
    source = f'x = {prefix}"""\na  \n\n%b"""  # c\n\ny = 1  '
    assert closure.code_only(source) == f'x = {prefix}"""\na  \n\n%b"""\ny = 1'
