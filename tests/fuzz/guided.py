"""Fuzzing with atheris, which looks for inputs that reach new code.

``python -m tests.fuzz.guided NAME INPUTS SECONDS DIR`` is a process for one target, since libFuzzer ends the one that
it runs in. Of what it prints, one line says how many inputs there were; the exit status is 0 where none of them raised.
DIR takes its corpus, and the input that raised.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lading", "multipart"]):
    from tests.fuzz.targets import TARGETS, WORDS


def main(name: str, inputs: int, seconds: int, folder: Path) -> None:
    """Run one target until so many inputs or seconds have passed."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, word in enumerate((*WORDS[name], b"".join(WORDS[name]))):
        (corpus / str(number)).write_bytes(word)
    dictionary = folder / "words"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS[name]))
    options = (
        *(f"-runs={inputs}", f"-max_total_time={seconds}", "-max_len=1024", "-timeout=10", "-print_final_stats=1"),
        *("-verbosity=0", f"-dict={dictionary}", f"-artifact_prefix={folder}/", str(corpus)),
    )
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """As a dictionary of libFuzzer writes it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
