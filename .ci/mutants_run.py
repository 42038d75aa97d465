"""Runs mutants of `core`: mutants_run.py LIST SCHEMATA OUT

LIST is what `cargo mutants --list --json` wrote, SCHEMATA the tool in `.ci/schemata`. All mutants
that can be are built at once, each behind a switch, and the tests run once for each, the quick ones
first, until one fails. The few that cannot (those in constants, mostly) are left to cargo-mutants
itself, one by one. To OUT goes a line for each mutant: caught, missed or unviable, by what, its file's
hash, and its name. One that has a line there is not run again.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import threading

import mutants_report

WORK = pathlib.Path("target/mutants")
PROFILE = "mutants"
PACKAGES = ["peer-sender-core", "peer-sender-sim"]
FEATURES = ["--features", "peer-sender-core/trace"]
# The quick ones first; what is not named here comes last.
ORDER = [
    "public",
    "goldens",
    "scenarios",
    "peer_sender_core",
    "laneless",
    "properties",
    "peer_sender_sim",
    "swarm",
    "trace",
    "pair",
    "recorded",
    "explore",
]
# The largest exploration, and what runs each history many times over: they find what others find,
# and take longest.
SKIP = [
    "no_state_within_the_bounds",
    "a_stop_may_come_after_any_step",
    "step_boundaries_change_no_outcome",
    "a_seed_repeats_exactly",
]
# Of the tests of one program, those that take longest, run last.
SLOW = [
    "every_short_input_is_the_same_however_it_is_cut",
    "any_two_cuts_give_the_same_items",
    "an_opener_that_follows_the_rules",
    "a_full_lane_takes_nothing_from_another",
    "all_that_one_connection_may_have_brought",
    "no_input_breaks_an_invariant",
    "many_refusals_go_in_several_writes",
    "many_cancels_of_what_is_not_here",
]
# Fewer runs than usual: enough to kill what can be killed.
ENVIRONMENT = {**os.environ, "PEER_SENDER_SEEDS": "100", "PEER_SENDER_CASES": "40"}
SWITCH = re.compile(rb"crate::mutant::is\((\d+)\)")
# What is no fault of the mutant: nothing can be switched in a constant, nor an arm that a match
# needs in order to be complete.
IN_CONSTANT, INCOMPLETE = "E0015", "E0004"
MEMORY_MAX = 8 << 30
# How much longer than its limit of the processor's time a test may take: the machine may have other
# work.
WAIT_FACTOR = 5


def main(list_file, schemata, out_file):
    mutants = json.loads(pathlib.Path(list_file).read_text())
    out = Out(out_file)
    left = [it for it in mutants if not out.has(it["name"])]
    if not left:
        return
    tree, numbered = WORK / "schemata", dict(enumerate(left, 1))
    apart, unviable = switch_in(tree, schemata, left)
    # `core` goes without the standard library, which cargo-mutants does not know.
    of_std = {it for it in apart if "::std::" in numbered[it]["name"]}
    apart, unviable = apart - of_std, unviable | of_std
    for number in unviable:
        out.add("unviable", "rustc", numbered[number]["name"])
    within = [it for it in numbered if it not in apart | unviable]
    if within:
        run_within(tree, {it: numbered[it]["name"] for it in within}, out)
    if apart:
        run_apart([numbered[it]["name"] for it in sorted(apart)], out)


class Out:
    """What came of each mutant; written at once, so that nothing is lost where a run is ended."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.lock = threading.Lock()
        text = self.path.read_text() if self.path.exists() else ""
        self.known = {line.split(" ", 2)[2] for line in text.splitlines()}
        self.hashes = {}

    def has(self, name):
        return self.hashed(name) in self.known

    def add(self, state, by, name):
        with self.lock, self.path.open("a") as file:
            file.write(f"{state} {by} {self.hashed(name)}\n")

    def hashed(self, name):
        source = name.split(":", 1)[0]
        if source not in self.hashes:
            self.hashes[source] = mutants_report.hash_of(source)
        return f"{self.hashes[source]} {name}"


def switch_in(tree, schemata, mutants):
    """Rewrites a copy of the sources until it compiles: which mutants are left out of it, since they
    cannot be switched or since they do not compile."""
    apart, unviable = set(), set()
    while True:
        copy(tree)
        out = [str(it) for it in sorted(apart | unviable)]
        told = subprocess.run(
            [schemata, str(tree), *out], input=json.dumps(mutants), stdout=subprocess.PIPE, text=True, check=True
        )
        states = (line.split(" ", 2) for line in told.stdout.splitlines())
        apart |= {int(number) for number, state, _ in states if state == "out"} - unviable
        wrong = list(errors(tree))
        if not wrong:
            return apart, unviable
        for number, code in wrong:
            (apart if code in (IN_CONSTANT, INCOMPLETE) else unviable).add(number)
        say(f"{len(unviable)} do not compile, {len(apart)} are to be run one by one")


def errors(tree):
    """The mutants that the compiler complains of, each with the error's code."""
    command = ["cargo", "check", "-p", PACKAGES[0], *FEATURES, "--message-format=json", "--quiet"]
    ran = subprocess.run(command, cwd=tree, env=built(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in ran.stdout.splitlines():
        message = json.loads(line).get("message")
        if not message or message["level"] != "error" or not message["spans"]:
            continue
        span = next(it for it in message["spans"] if it["is_primary"])
        while span["expansion"] and not span["file_name"].startswith("core/src"):
            span = span["expansion"]["span"]
        code = (message["code"] or {}).get("code")
        switches = list(SWITCH.finditer((tree / span["file_name"]).read_bytes()))
        before = [it for it in switches if it.start() <= span["byte_start"]]
        # A match is complained of where it begins, and its arms follow.
        yield int((switches[len(before)] if code == INCOMPLETE else before[-1])[1]), code


def run_within(tree, names, out):
    tests = build(tree)
    spent = {}
    for name, path, which in tests:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        if run(tree, path, which, 0, 600) != 0:
            sys.exit(f"{name} fails without a mutant")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        say(f"{name}: {spent[name]:.1f} s of processor time without a mutant")
    # One that loops for ever is ended: by processor time, whatever else the machine does.
    limits = {name: int(4 * seconds) + 5 for name, seconds in spent.items()}

    def judge(number):
        for name, path, which in tests:
            if run(tree, path, which, number, limits[name]) != 0:
                return "caught", name
        return "missed", "-"

    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("WORKERS", "2"))) as pool:
        running = {pool.submit(judge, number): number for number in names}
        for count, done in enumerate(concurrent.futures.as_completed(running), 1):
            state, by = done.result()
            name = names[running[done]]
            out.add(state, by, name)
            if state == "missed" or count % 50 == 0:
                say(f"{count} of {len(names)}" + (f", missed: {name}" if state == "missed" else ""))


def build(tree):
    """The test programs, the quick ones first."""
    command = ["cargo", "test", "--no-run", "--profile", PROFILE, "--lib", "--tests", *FEATURES, "--message-format=json", "--quiet"]
    command += [word for package in PACKAGES for word in ("-p", package)]
    ran = subprocess.run(command, cwd=tree, env=built(), stdout=subprocess.PIPE, check=True)
    made = [json.loads(line) for line in ran.stdout.splitlines()]
    tests = [(it["target"]["name"], it["executable"]) for it in made if it.get("executable")]
    place = {name: place for place, name in enumerate(ORDER)}
    tests.sort(key=lambda it: place.get(it[0], len(ORDER)))
    quick = [word for name in SKIP + SLOW for word in ("--skip", name)]
    return [(name, path, quick) for name, path in tests] + [
        (f"{name}:slow", path, SLOW) for name, path in tests if name == "peer_sender_core"
    ]


def run(tree, path, which, mutant, seconds):
    def bounded():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))

    folder = tree / ("sim" if "/peer_sender_sim" in path or is_of_sim(path) else "core")
    environment = {**ENVIRONMENT, "PEER_SENDER_MUTANT": str(mutant), "CARGO_MANIFEST_DIR": str(folder.absolute())}
    # One that waits for ever takes no time of the processor: out of memory a test can hang in the
    # report of that.
    try:
        return subprocess.run(
            [path, *which],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=bounded,
            timeout=WAIT_FACTOR * seconds,
        ).returncode
    except subprocess.TimeoutExpired:
        return 1


def is_of_sim(path):
    name = pathlib.Path(path).name.rsplit("-", 1)[0]
    tests = pathlib.Path("sim/tests")
    return any(it.exists() for it in [tests / f"{name}.rs", tests / name / "main.rs"])


def run_apart(names, out):
    tree = WORK / "apart"
    copy(tree)
    say(f"{len(names)} one by one")
    patterns = [word for name in names for word in ("--re", "^" + re.escape(name).replace("\\ ", " ") + "$")]
    command = ["cargo", "mutants", "-p", PACKAGES[0], "--in-place", "--baseline", "skip", "--no-times", "--colors", "never", "--timeout", "600"]
    command += [*patterns, *FEATURES, "--", "--lib", "--tests", "--", *(word for name in SKIP for word in ("--skip", name))]
    runner = f"prlimit --cpu=60 --as={MEMORY_MAX}"
    environment = {**built(), "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER": runner}
    shutil.rmtree(tree / "mutants.out", ignore_errors=True)
    ran = subprocess.run(command, cwd=tree, env=environment)
    if ran.returncode not in (0, 2, 3):
        sys.exit("cargo-mutants could not run")
    for state, file in [("caught", "caught"), ("caught", "timeout"), ("missed", "missed"), ("unviable", "unviable")]:
        for name in (tree / "mutants.out" / f"{file}.txt").read_text().splitlines():
            out.add(state, "cargo-mutants", name)


def copy(tree):
    """The tree as it stands; what is the same is left alone, for cargo goes by when it was changed."""
    listed = subprocess.run(["git", "ls-files"], stdout=subprocess.PIPE, text=True, check=True)
    names = listed.stdout.splitlines()
    for there in sorted(tree.rglob("*.rs")):
        if str(there.relative_to(tree)) not in names:
            there.unlink()
    for name in names:
        here, there = pathlib.Path(name), tree / name
        if here.exists() and not (there.exists() and there.read_bytes() == here.read_bytes()):
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(here.read_bytes())


def built():
    """Both copies of the tree share what is built of other crates."""
    return {**ENVIRONMENT, "CARGO_TARGET_DIR": str((WORK / "built").absolute())}


def say(words):
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
