"""Asks ClickHouse, through chdb, what our functions for clickstreams say.

    clickhouse.py JUMEAU FOLDER

writes random events into FOLDER, answers the same questions with the binary JUMEAU and with ClickHouse, and prints a
line for each question that both answer alike for every visitor. The first difference ends it with a message. No visitor
has two events at one time, for ClickHouse does not say in which order it takes those.
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import chdb
import numpy as np

JUMEAU, FOLDER = sys.argv[1], Path(sys.argv[2])
VISITORS, MOST = 3000, 14
random = np.random.default_rng(20260701)


def events():
    """visitor, t in seconds, what: a to d, each visitor's at different times."""
    lines = ["visitor,t,what"]
    for visitor in range(VISITORS):
        count = random.integers(1, MOST + 1)
        times = random.choice(60, count, replace=False)
        kinds = random.choice(list("abcd"), count, p=[0.35, 0.25, 0.2, 0.2])
        lines += [f"{visitor},{time},{kind}" for time, kind in zip(times, kinds, strict=True)]
    (FOLDER / "events.csv").write_text("\n".join(lines) + "\n")


def ours(call):
    sql = f"SELECT visitor, {call} AS answer FROM (SELECT *, to_timestamp_seconds(t) AS at FROM 'events.csv') GROUP BY visitor ORDER BY visitor"
    done = subprocess.run(
        [JUMEAU, "query", "--quiet", "--format", "jsonl", sql], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{sql}\n{done.stderr}")
    rows = (json.loads(line) for line in done.stdout.splitlines())
    return {row["visitor"]: row["answer"] for row in rows}


def theirs(call):
    sql = (
        f"SELECT visitor, {call} AS answer FROM (SELECT *, toDateTime(t, 'UTC') AS at FROM file('{FOLDER}/events.csv', CSVWithNames)) "
        "GROUP BY visitor ORDER BY visitor SETTINGS output_format_json_quote_64bit_integers = 0"
    )
    rows = (json.loads(line) for line in str(chdb.query(sql, "JSONEachRow")).splitlines())
    return {row["visitor"]: row["answer"] for row in rows}


def compare(question, got, expected, same=lambda one, other: one == other):
    if len(got) != VISITORS or got.keys() != expected.keys():
        sys.exit(f"{question}: {len(got)} visitors, not {len(expected)}")
    for visitor, answer in got.items():
        if not same(answer, expected[visitor]):
            sys.exit(f"{question}, visitor {visitor}: {answer}, not {expected[visitor]}")
    print(question)


STEPS = "what = 'a'", "what = 'b'", "what = 'c'"


def funnels():
    modes = ["strict_deduplication", "strict_order", "strict_increase", "strict_once"]
    for count in range(len(modes) + 1):
        for chosen in itertools.combinations(modes, count):
            ours_modes = f"'{','.join(chosen)}', " if chosen else ""
            their_modes = "".join(f", '{mode}'" for mode in chosen)
            steps = ", ".join(f"({step})" for step in STEPS)
            for window in (5, 20, 100):
                got = ours(f"window_funnel(INTERVAL '{window} seconds', {ours_modes}at, {steps})")
                expected = theirs(f"windowFunnel({window}{their_modes})(at, {', '.join(STEPS)})")
                compare(f"window_funnel {'+'.join(chosen) or 'plain'} {window}", got, expected)


def sequences():
    patterns = ["(?1)(?2)", "(?1).*(?2)", "(?1)(?t<=5)(?2)", "(?1)(?t>3)(?3)", "(?2).(?1)", "(?1)(?1).*(?3)", "(?3)(?t==2)(?1)"]
    steps = ", ".join(f"({step})" for step in STEPS)
    for pattern in patterns:
        match = theirs(f"sequenceMatch('{pattern}')(at, {', '.join(STEPS)})")
        got = ours(f"sequence_match('{pattern}', at, {steps})")
        compare(f"sequence_match {pattern}", got, match, lambda one, other: one == bool(other))
        count = theirs(f"sequenceCount('{pattern}')(at, {', '.join(STEPS)})")
        compare(f"sequence_count {pattern}", ours(f"sequence_count('{pattern}', at, {steps})"), count)


def returns():
    expected = theirs(f"retention({', '.join(STEPS)})")
    got = ours(f"retention({', '.join(f'({step})' for step in STEPS)})")
    compare("retention", got, expected, lambda one, other: one == [bool(met) for met in other])


events()
funnels()
sequences()
returns()
