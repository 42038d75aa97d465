#!/usr/bin/env python3
"""The plain protocol, and that of Acki Nacki, between `peer-sender` and others, in both directions: run.py
BINARY [S2N]

The others are aioquic, where Python finds it, and the program in `s2n`, where one is given. Every case
starts both ends on loopback and ends by itself. Prints a line for each; fails if one does.
"""

import importlib.util
import os
import sys
import tempfile

import acki_nacki_cases
import aioquic_cases
import s2n_cases
from programs import Place


def main(binary, s2n=None, only=""):
    has_aioquic = importlib.util.find_spec("aioquic")
    cases = (aioquic_cases.CASES + acki_nacki_cases.CASES if has_aioquic else []) + (s2n_cases.CASES if s2n else [])
    cases = [case for case in cases if only in case.__name__]
    failed = 0
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(Place(os.path.abspath(binary), s2n and os.path.abspath(s2n), folder))
                said = "ok"
            except Exception as error:
                failed += 1
                said = f"FAILED: {type(error).__name__}: {error}"
        print(f"{case.__name__.replace('_', ' ')}: {said}", flush=True)
    print(f"{len(cases) - failed} of {len(cases)} cases of interoperation pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
