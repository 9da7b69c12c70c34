"""A hook of MkDocs: the pages draw Mermaid diagrams with a script of their own.

The theme would have every reader's browser load the script from its author's host. The package ``mermaidx`` carries the
script, ``mermaid.min.js`` as published; nothing of the package runs. Only pages with a diagram load it.
"""

from importlib.metadata import distribution
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

SCRIPT = "assets/javascripts/mermaid.min.js"
DIAGRAM = '<pre class="mermaid">'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the script to the site."""
    source = Path(str(distribution("mermaidx").locate_file("mermaidx/assets/mermaid.js")))
    files.append(File.generated(config, SCRIPT, abs_src_path=str(source)))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001  # MkDocs names its arguments
    """Have a page with a diagram load the script before the theme looks for it."""
    if DIAGRAM not in output:
        return output
    return output.replace("</head>", f'<script src="{get_relative_url(SCRIPT, page.url)}"></script></head>', 1)
