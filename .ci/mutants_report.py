"""What came of the mutants of `core`, file by file.

    mutants_report.py missing RESULTS            of the list on stdin those whose file has no result
    mutants_report.py survivors RESULTS          those that survived
    mutants_report.py sample                     some two hundred of them, always the same
    mutants_report.py add RESULTS LIST OUT       puts what came of LIST's files into RESULTS, of each
                                                 file all of whose mutants were run
    mutants_report.py again RESULTS OUT          takes out of RESULTS whom a second run has caught
    mutants_report.py figures RESULTS            the sums
    mutants_report.py judge EXCUSED OUT          fails if one survived that EXCUSED does not name
"""

import collections
import hashlib
import json
import pathlib
import re
import sys

HEAD = """\
# What came of every mutant that cargo-mutants makes of `core`, written by `.ci/mutants`: for each
# file its hash, and how many of its mutants compile (viable) and fail a test (killed; one that makes
# the tests run for ever is killed as well). Those below a file survived;
# tests/mutants_excused.txt says why they may.
"""
SAMPLE = 200


def hash_of(file):
    return hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()[:16]


def bare(mutant):
    """Without line and column, which move with every edit."""
    return re.sub(r":\d+:\d+: ", ": ", mutant)


def outcomes(out):
    """Of each mutant of files as they are whether it was caught or missed, or did not compile."""
    path = pathlib.Path(out)
    rows = [line.split(" ", 3) for line in path.read_text().splitlines()] if path.exists() else []
    hashes = {file: hash_of(file) for file in {name.split(":", 1)[0] for *_, name in rows}}
    return {name: state for state, _, digest, name in rows if digest == hashes[name.split(":", 1)[0]]}


def read(results):
    """Each file's hash, its viable mutants, and those that survived."""
    files, last = {}, None
    path = pathlib.Path(results)
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("  "):
            files[last][2].append(line.strip())
        elif line and not line.startswith("#"):
            last, digest, _, viable, *_ = line.split()
            files[last] = (digest, int(viable), [])
    return files


def write(results, files):
    lines = []
    for name in sorted(name for name in files if pathlib.Path(name).exists()):
        digest, viable, survivors = files[name]
        lines.append(f"{name} {digest} viable {viable} killed {viable - len(survivors)}")
        lines += [f"  {mutant}" for mutant in survivors]
    pathlib.Path(results).write_text(HEAD + "\n" + "\n".join(lines) + "\n")


def listed():
    return json.load(sys.stdin)


def missing(results):
    known = read(results)
    current = {name for name, (digest, *_) in known.items() if pathlib.Path(name).exists() and hash_of(name) == digest}
    print(json.dumps([it for it in listed() if it["file"] not in current]))


def survivors(results):
    survived = {mutant for _, _, some in read(results).values() for mutant in some}
    print(json.dumps([it for it in listed() if bare(it["name"]) in survived]))


def sample():
    all = listed()
    print(json.dumps(all[:: max(1, -(-len(all) // SAMPLE))]))


def add(results, list_file, out):
    files, came = read(results), outcomes(out)
    by_file = collections.defaultdict(list)
    for mutant in json.loads(pathlib.Path(list_file).read_text()):
        by_file[mutant["file"]].append(mutant["name"])
    for file, names in by_file.items():
        if all(name in came for name in names):
            missed = sorted(bare(name) for name in names if came[name] == "missed")
            viable = sum(came[name] != "unviable" for name in names)
            files[file] = (hash_of(file), viable, missed)
    write(results, files)


def again(results, out):
    files = read(results)
    came = outcomes(out)
    # Two mutants may have the same name but for their places.
    missed = collections.Counter(bare(name) for name, state in came.items() if state == "missed")
    caught = {bare(name) for name, state in came.items() if state != "missed"}
    for file, (digest, viable, before) in files.items():
        gone = {name for name in before if name in caught and name not in missed}
        several = {name: missed[name] for name in before if name in missed}
        stay = [name for name in before if name not in gone and name not in several]
        stay += [name for name, count in several.items() for _ in range(count)]
        files[file] = (digest, viable, sorted(stay))
    write(results, files)


def figures(results):
    rows = read(results).values()
    viable = sum(row[1] for row in rows)
    survived = sum(len(row[2]) for row in rows)
    print(f"{len(rows)} files: {viable} viable, {viable - survived} killed, {survived} survived")


def judge(excused, out):
    lines = pathlib.Path(excused).read_text().splitlines()
    excuses = {line for line in lines if line and not line.startswith("#")}
    came = outcomes(out)
    missed = [it for it in (bare(name) for name, state in came.items() if state == "missed") if it not in excuses]
    print(f"{sum(state == 'caught' for state in came.values())} killed, {len(missed)} survived")
    for mutant in missed:
        print(f"  {mutant}")
    if missed:
        sys.exit("kill them with a better test, or give a reason in tests/mutants_excused.txt")


if __name__ == "__main__":
    {it.__name__: it for it in (missing, survivors, sample, add, again, figures, judge)}[sys.argv[1]](*sys.argv[2:])
