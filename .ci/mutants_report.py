"""What came of the mutants that cargo-mutants made, file by file.

    mutants_report.py missing RESULTS        of the files named on stdin those without a result
    mutants_report.py add RESULTS FILE OUT   puts what came of FILE's mutants into RESULTS
    mutants_report.py figures RESULTS        the sums
    mutants_report.py judge EXCUSED OUT      fails if one survived that EXCUSED does not name
"""

import hashlib
import pathlib
import re
import sys

HEAD = """\
# What came of every mutant that cargo-mutants makes of `core`, written by `.ci/mutants`: for each
# file its hash, and how many of its mutants compile (viable) and fail a test (killed; one that makes
# the tests run for ever is killed as well). Those below a file survived;
# tests/mutants_excused.txt says why they may.
"""


def hash_of(file):
    return hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()[:16]


def outcomes(out, name):
    path = pathlib.Path(out) / f"{name}.txt"
    return path.read_text().splitlines() if path.exists() else []


def bare(mutant):
    """Without line and column, which move with every edit."""
    return re.sub(r":\d+:\d+: ", ": ", mutant)


def read(results):
    """Each file's line, and the lines of its survivors."""
    files = {}
    path = pathlib.Path(results)
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("  "):
            files[last][1].append(line.strip())
        elif line and not line.startswith("#"):
            last = line.split()[0]
            files[last] = (line, [])
    return files


def missing(results):
    known = read(results)
    for file in sys.stdin.read().split():
        if file not in known or known[file][0].split()[1] != hash_of(file):
            print(file)


def add(results, file, out):
    killed = len(outcomes(out, "caught")) + len(outcomes(out, "timeout"))
    survivors = sorted(bare(mutant) for mutant in outcomes(out, "missed"))
    files = read(results)
    viable = killed + len(survivors)
    files[file] = (f"{file} {hash_of(file)} viable {viable} killed {killed}", survivors)
    lines = []
    for name in sorted(name for name in files if pathlib.Path(name).exists()):
        head, below = files[name]
        lines += [head] + [f"  {mutant}" for mutant in below]
    pathlib.Path(results).write_text(HEAD + "\n" + "\n".join(lines) + "\n")
    print(files[file][0])


def figures(results):
    rows = [head.split() for head, _ in read(results).values()]
    viable = sum(int(row[3]) for row in rows)
    killed = sum(int(row[5]) for row in rows)
    print(f"{len(rows)} files: {viable} viable, {killed} killed, {viable - killed} survived")


def judge(excused, out):
    lines = pathlib.Path(excused).read_text().splitlines()
    excuses = {line for line in lines if line and not line.startswith("#")}
    survivors = [it for it in map(bare, outcomes(out, "missed")) if it not in excuses]
    killed = len(outcomes(out, "caught")) + len(outcomes(out, "timeout"))
    print(f"{killed} killed, {len(survivors)} survived")
    for mutant in survivors:
        print(f"  {mutant}")
    if survivors:
        sys.exit("kill them with a better test, or give a reason in tests/mutants_excused.txt")


if __name__ == "__main__":
    {"missing": missing, "add": add, "figures": figures, "judge": judge}[sys.argv[1]](*sys.argv[2:])
