"""Keep pages free of outside requests: MathJax from an installed package, and no Thebe.

`sphinx-mathjax-offline` is MathJax 3.2.2, byte for byte as its authors publish it. Its own Sphinx extension
copies all 24 MB; a page needs one script and the fonts, 1.6 MB, and that is what is copied here.
"""

from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile, copytree

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

SCRIPT = "tex-mml-chtml.js"
FONTS = "output/chtml/fonts/woff-v2"


def mathjax() -> Path:
    """Return the folder of the installed MathJax; ExtensionError when the package is missing."""
    spec = find_spec("sphinx-mathjax-offline")  # found, not imported: it is needed for its files only
    if spec is None or spec.origin is None:
        raise ExtensionError("sphinx-mathjax-offline is not installed: pip install -r requirements.txt")
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_to(target: Path) -> None:
    """Copy the script, its fonts and its licence into a folder."""
    copytree(mathjax() / FONTS, target / FONTS, dirs_exist_ok=True)
    copyfile(mathjax() / SCRIPT, target / SCRIPT)
    copyfile(Path(__file__).with_name("MATHJAX_LICENSE"), target / "LICENSE")


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy MathJax into the built site; Sphinx calls this when a build ends."""
    if error is None and app.builder.format == "html":
        copy_to(Path(app.outdir) / "_static" / "mathjax")


def drop_thebe(app: Sphinx) -> None:
    """Unplug Thebe, which Jupyter Book loads whatever its settings say.

    It writes the address of a CDN into every page, and writes it twice: a script error on every page.
    """
    app.setup_extension("sphinx_thebe")
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if listener.handler.__name__ in ("init_thebe_core", "update_thebe_context"):
                app.disconnect(listener.id)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    mathjax()  # a missing package is told before the build, not after it
    app.config.mathjax_path = f"mathjax/{SCRIPT}"
    app.connect("build-finished", copy_mathjax)
    drop_thebe(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
