"""Asks ClickHouse and Jumeau the same questions about random visitors, and counts where they differ.

    python3 bench/clickhouse.py [--visitors N] [--jumeau BINARY]

83 questions: `window_funnel` in every combination of its modes, windows and steps; patterns of `sequence_match` and
`sequence_count`; `retention`. Half of the visitors have events at the same second, and one event may meet several
conditions. The answers should be the same, but for two things that the documentation says: `strict_increase` is exact
here, where ClickHouse keeps one chain for each step and may lose the one that would go on; and ClickHouse gives up after
a million steps of a pattern. Any other difference ends the program with code 1 and a visitor to look at.

Needs chdb, as bench/run.py does, in the Python that runs it, and a release build of Jumeau.
"""

import argparse
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import chdb

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODES = ("strict_deduplication", "strict_order", "strict_increase", "strict_once")
PATTERNS = (
    "(?1)(?2)",
    "(?1).*(?2)",
    "(?1).*(?2).*(?3)",
    "(?1).(?3)",
    "(?1)(?t<=5)(?2)",
    "(?1)(?t>3)(?2)",
    "(?2)(?t==0)(?3)",
    "(?1)(?t<9)(?2)(?t>=2)(?3)",
)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--visitors", type=int, default=20_000)
    arguments.add_argument("--jumeau", type=pathlib.Path, default=ROOT / "target/release/jumeau")
    options = arguments.parse_args()
    asked = list(questions())
    with tempfile.TemporaryDirectory() as folder:
        events = pathlib.Path(folder) / "events.csv"
        events.write_text(make_events(options.visitors))
        ours = ask_jumeau(options.jumeau, events, [question[1] for question in asked])
        theirs = ask_clickhouse(events, [question[2] for question in asked])
    if ours.keys() != theirs.keys():
        sys.exit("not the same visitors")
    equal, exact, wrong = 0, 0, 0
    for number, (name, _, _) in enumerate(asked):
        differ = [visitor for visitor, answers in ours.items() if answers[number] != theirs[visitor][number]]
        if not differ:
            equal += 1
        elif "strict_increase" in name and all(ours[v][number] >= theirs[v][number] for v in differ):
            exact += 1
            print(f"{name}: deeper for {len(differ)} visitors")
        else:
            wrong += 1
            one = differ[0]
            print(f"{name}: visitor {one}: {ours[one][number]} here, {theirs[one][number]} there; {len(differ)} differ")
    print(f"{len(asked)} questions about {len(ours)} visitors: {equal} equal, {exact} where strict_increase finds more, {wrong} wrong")
    sys.exit(wrong > 0)


def questions():
    """Name, SQL of Jumeau, SQL of ClickHouse."""
    for count in range(len(MODES) + 1):
        for modes in itertools.combinations(MODES, count):
            for window, steps in itertools.product((5, 20), (2, 3)):
                conditions = ", ".join(f"c{step + 1}" for step in range(steps))
                here = f"'{','.join(modes)}', " if modes else ""
                there = "".join(f", '{mode}'" for mode in modes)
                yield (
                    f"window_funnel of {steps} steps within {window} s, {' '.join(modes) or 'no mode'}",
                    f"window_funnel(INTERVAL '{window} seconds', {here}t, {conditions})",
                    f"windowFunnel({window}{there})(t, {conditions})",
                )
    for pattern in PATTERNS:
        yield (
            f"sequence_match {pattern}",
            f"sequence_match('{pattern}', t, c1, c2, c3)::INT",
            f"sequenceMatch('{pattern}')(t, c1, c2, c3)",
        )
        yield (
            f"sequence_count {pattern}",
            f"sequence_count('{pattern}', t, c1, c2, c3)",
            f"sequenceCount('{pattern}')(t, c1, c2, c3)",
        )
    for element in (1, 2, 3):
        yield (
            f"retention {element}",
            f"retention(c1, c2, c3)[{element}]::INT",
            f"retention(c1, c2, c3)[{element}]",
        )


def make_events(visitors):
    """Rows of up to twelve events a visitor, some at one time, some that meet two conditions or none."""
    numbers = random.Random(20260615)
    lines = ["visitor,second,c1,c2,c3"]
    for visitor in range(visitors):
        # Every second visitor has no two events at one time, so that no engine has to choose an order.
        seconds = range(0, 30) if visitor % 2 else range(0, 14)
        count = numbers.randint(1, 12)
        times = numbers.sample(seconds, count) if visitor % 2 else numbers.choices(seconds, k=count)
        for second in times:
            met = numbers.choice((1, 2, 4, 1, 2, 4, 3, 6, 5, 0))
            cells = ",".join("true" if met >> bit & 1 else "false" for bit in range(3))
            lines.append(f"{visitor},{second},{cells}")
    return "\n".join(lines) + "\n"


def ask_jumeau(binary, events, sql):
    columns = ", ".join(f"{expression} AS q{number}" for number, expression in enumerate(sql))
    query = (
        f"SELECT visitor, {columns} FROM (SELECT visitor, c1, c2, c3, arrow_cast(second, 'Timestamp(Second, None)') AS t "
        f"FROM '{events}') GROUP BY visitor"
    )
    done = subprocess.run([binary, "query", "--quiet", "--format", "jsonl", query], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return answers(done.stdout, len(sql))


def ask_clickhouse(events, sql):
    columns = ", ".join(f"{expression} AS q{number}" for number, expression in enumerate(sql))
    query = (
        f"SELECT visitor, {columns} FROM (SELECT visitor, c1, c2, c3, toDateTime(second, 'UTC') AS t "
        f"FROM file('{events}', CSVWithNames, 'visitor UInt32, second UInt32, c1 Bool, c2 Bool, c3 Bool')) GROUP BY visitor "
        "SETTINGS output_format_json_quote_64bit_integers = 0"
    )
    return answers(str(chdb.query(query, "JSONEachRow")), len(sql))


def answers(lines, count):
    rows = map(json.loads, lines.splitlines())
    return {row["visitor"]: [int(row[f"q{number}"]) for number in range(count)] for row in rows}


if __name__ == "__main__":
    main()
