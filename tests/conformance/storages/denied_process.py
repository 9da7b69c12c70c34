"""The kit's cases of lost permissions for the local storage, as a user other than root: a module to run as root.

Its argument is an empty folder that everybody may reach.
"""

import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from lading.backends.suites import LocalSuite
from lading.plugins.testing import Trouble
from lading.plugins.testing.suite import run_case

NOBODY: Final = 65534
PR_SET_DUMPABLE: Final = 4


class Suite(LocalSuite):
    unsupported: ClassVar[Mapping[str, str]] = {
        name: reason for name, reason in LocalSuite.unsupported.items() if name != Trouble.DENIED
    }


def main(folder: Path) -> None:
    suite = Suite()
    # What is imported on first use is imported now: Python itself may lie where the user may not look.
    suite.place = folder / "first"
    run_case(suite, suite.test_a_place_that_is_gone())
    os.chown(folder, NOBODY, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # Otherwise /proc/self belongs to root from now on, and the kit looks there for what is left behind.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
    suite.place = folder / "second"
    run_case(suite, suite.test_permissions_that_are_lost())
    suite.place = folder / "third"
    run_case(suite, suite.test_no_secret_is_told())
    sys.stdout.write("passed\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
