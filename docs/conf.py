"""Sphinx's configuration: `uv run --extra docs sphinx-build -W docs docs/_build`."""

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

from make_api import write_pages  # noqa: E402

import ilhte_bayes  # noqa: E402

project = "ilhte-bayes"
author = copyright = "The ilhte-bayes developers"
version = release = ilhte_bayes.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "gallery/*", "jupyter_execute"]

nb_execution_mode = "off"  # the notebooks' stored outputs; tests run them
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

default_role = "code"
add_module_names = False
autodoc_typehints = "none"  # numpydoc's sections say them in words
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "ilhte-bayes"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "show_prev_next": True,
    "header_links_before_dropdown": 4,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = ">>> |\\.\\.\\. "
copybutton_prompt_is_regexp = True


def _copy_notebooks() -> None:
    """The course's notebooks as they are, where Sphinx looks for pages."""
    course = HERE / "course"
    shutil.rmtree(course, ignore_errors=True)
    course.mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, course)


_copy_notebooks()
write_pages(HERE / "api")
