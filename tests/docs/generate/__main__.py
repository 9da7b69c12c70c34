"""``python -m tests.docs.generate`` writes every generated part into its page."""

from tests.docs.generate.parts import PARTS, generated

if __name__ == "__main__":
    for page in PARTS:
        page.write_text(generated(page), encoding="utf-8")
