"""What came of the mutants that cargo-mutants made.

    mutants_report.py OUT FILE             writes the figures and the survivors to FILE
    mutants_report.py --change OUT EXCUSED fails if one survived that EXCUSED does not name
"""

import pathlib
import re
import sys


def mutants(out, *lists):
    """The lines of these lists, without line and column, which move with every edit."""
    lines = []
    for name in lists:
        path = out / f"{name}.txt"
        if path.exists():
            lines += path.read_text().splitlines()
    return sorted({re.sub(r":\d+:\d+: ", ": ", line): line for line in lines if line})


def excused(path):
    """Mutants that may survive; the reason of each stands in the comment above it."""
    lines = path.read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def write(out, file):
    count = lambda *lists: sum(len((out / f"{name}.txt").read_text().splitlines())
                               for name in lists if (out / f"{name}.txt").exists())
    killed = count("caught", "previously_caught", "timeout")
    unviable = count("unviable")
    missed = count("missed")
    survivors = mutants(out, "missed")
    head = [
        "# What came of every mutant that cargo-mutants makes of `core`, written by `.ci/mutants`.",
        "# A mutant that makes the tests run for ever is killed as well; one that does not compile",
        "# is not viable. Those below survived; tests/mutants_excused.txt says why they may.",
        "",
        f"viable {killed + missed}",
        f"killed {killed}",
        f"survived {missed}",
        f"unviable {unviable}",
        "",
    ]
    file.write_text("\n".join(head + survivors) + "\n")
    print("\n".join(head[4:8]))


def judge(out, excuses):
    survivors = [it for it in mutants(out, "missed") if it not in excused(excuses)]
    killed = len(mutants(out, "caught", "timeout"))
    print(f"{killed} killed, {len(survivors)} survived")
    for mutant in survivors:
        print(f"  {mutant}")
    if survivors:
        sys.exit("kill them with a better test, or give a reason in tests/mutants_excused.txt")


if sys.argv[1] == "--change":
    judge(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
else:
    write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
