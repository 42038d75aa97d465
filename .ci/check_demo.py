"""Checks what `peer-sender demo --json` says of its run, read from standard input."""

import json
import sys


def main() -> None:
    report = json.loads(last_line(sys.stdin.read()))
    faults = [
        f"{field} is {report.get(field)!r}, must be {rule}"
        for field, rule, holds in (
            ("lost", "0", lambda v: v == 0),
            ("duplicated", "0", lambda v: v == 0),
            ("out_of_order", "0", lambda v: v == 0),
            ("sent", "at least 100,000", lambda v: v >= 100_000),
            ("delivered", "what was sent", lambda v: v == report["sent"]),
            ("reconnects", "at least 1", lambda v: v >= 1),
            ("seconds", "under 30", lambda v: 0 < v < 30),
            ("messages_per_second", "above 0", lambda v: v > 0),
        )
        if not is_number(report.get(field)) or not holds(report[field])
    ]
    latency = report.get("latency_us")
    if not isinstance(latency, dict) or not all(is_number(latency.get(p)) for p in ("p50", "p99")):
        faults.append(f"latency_us is {latency!r}, must hold p50 and p99")
    elif not 0 < latency["p50"] <= latency["p99"]:
        faults.append(f"latency_us is {latency!r}, must have 0 < p50 <= p99")
    if faults:
        sys.exit("the demo's report is wrong:\n  " + "\n  ".join(faults))
    print(
        f"demo: {report['delivered']} of {report['sent']} messages delivered, "
        f"{report['reconnects']} reconnects, {report['messages_per_second']:.0f} messages/s"
    )


def last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        sys.exit(f"the demo must print one JSON object on one line, it printed {len(lines)} lines")
    return lines[0]


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


main()
