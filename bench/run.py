"""Times Jumeau against other engines, side by side, and writes RESULTS.md.

    python3 bench/run.py [WORKLOAD ...] [--runs N] [--events N]

Each workload is one TOML file in workloads/: the same question in the SQL of each engine that can
answer it. A run is a whole process, from Parquet to Parquet, with two threads; the engines take
turns, so that a machine that slows down slows all of them. Answers are compared before any figure
is written. The data come from `jumeau sample`; the peers are installed at pinned versions below
the build folder.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = {"duckdb": "2.0.0", "chdb": "4.4.0"}
VISITORS_PER_EVENT = 0.3516  # of the sample, so that 10 million events come from 3.5 million visitors

# What a process of each engine does with the query in argv[1] and the output in argv[2].
PROGRAMS = {
    "duckdb": """
import duckdb, sys
con = duckdb.connect(config={"threads": 2})
con.execute(f"COPY ({sys.argv[1]}) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)")
""",
    "chdb": """
import chdb, sys
chdb.query(f"{sys.argv[1]} INTO OUTFILE '{sys.argv[2]}' TRUNCATE FORMAT Parquet "
           "SETTINGS max_threads = 2, output_format_parquet_compression_method = 'zstd'")
""",
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("workload", nargs="*", help="names of files in workloads/; all without")
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--events", type=int, default=10_000_000)
    options = arguments.parse_args()

    target = target_folder()
    jumeau = build(target)
    python = environment(target)
    work = target / "bench"
    data = sample(jumeau, python, work, options.events)
    files = sorted(HERE.glob("workloads/*.toml"))
    names = options.workload or [file.stem for file in files]
    sections = []
    for file in files:
        if file.stem in names:
            workload = tomllib.loads(file.read_text())
            sections.append(run(file.stem, workload, jumeau, python, work, data, options.runs))
    if not sections:
        sys.exit(f"no such workload; there are: {', '.join(file.stem for file in files)}")
    if options.workload:
        print("\n\n".join(sections))
        return
    (HERE / "RESULTS.md").write_text("\n\n".join([header(jumeau, options), *sections]) + "\n")


def target_folder():
    metadata = ["cargo", "metadata", "--format-version=1", "--no-deps"]
    answer = subprocess.run(metadata, cwd=ROOT, check=True, capture_output=True).stdout
    return pathlib.Path(json.loads(answer)["target_directory"])


def build(target):
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet"], cwd=ROOT, check=True)
    return target / "release" / "jumeau"


def environment(target):
    pins = [f"{name}=={version}" for name, version in PEERS.items()]
    venv = target / ("bench-" + "-".join(pins).replace("==", ""))
    python = venv / "bin" / "python"
    if not (venv / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *pins], check=True)
        (venv / "done").touch()
    return python


def sample(jumeau, python, work, events):
    """The sample, and the same events in the order of time, as a log collector writes them."""
    folder = work / f"events-{events}"
    if not (folder / "done").exists():
        visitors = round(events * VISITORS_PER_EVENT)
        make = [jumeau, "sample", folder, "--visitors", str(visitors), "--quiet"]
        subprocess.run(make, check=True)
        by_time = f"SELECT * FROM '{folder}/events.parquet' ORDER BY event_time, visitor_id"
        subprocess.run([python, "-c", PROGRAMS["duckdb"], by_time, folder / "by_time.parquet"], check=True)
        (folder / "done").touch()
    return folder


def run(name, workload, jumeau, python, work, data, runs):
    queries = {
        engine: sql.replace("{data}", str(data)).strip() for engine, sql in workload["sql"].items()
    }
    figures = {engine: [] for engine in queries}
    outputs = {engine: work / f"{name}.{engine}.parquet" for engine in queries}
    for turn in range(runs + 1):  # the first warms the page cache and is not counted
        for engine, sql in queries.items():
            if engine == "jumeau":
                command = [jumeau, "query", sql, "--threads", "2", "--quiet", "-o", outputs[engine]]
            else:
                command = [python, "-c", PROGRAMS[engine], sql, outputs[engine]]
            seconds, mebibytes = measure(command)
            if turn:
                figures[engine].append((seconds, mebibytes))
    agreement = compare(python, workload, outputs)
    section = table(name, workload, figures, agreement)
    print(section, flush=True)
    return section


def measure(command):
    started = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {command}")
    return seconds, usage.ru_maxrss / 1024


COMPARE = """
import duckdb, sys
ours, theirs, keys, values = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4].split(",")
same = " AND ".join(
    f"(a.{v} IS NOT DISTINCT FROM b.{v} OR abs(a.{v} - b.{v}) <= 1e-9 * greatest(abs(a.{v}), abs(b.{v})))"
    for v in values)
on = " AND ".join(f"a.{k} IS NOT DISTINCT FROM b.{k}" for k in keys)
rows, wrong = duckdb.sql(f\"\"\"
    SELECT count(*), count(*) FILTER (WHERE NOT coalesce({same}, false) OR a.{keys[0]} IS NULL OR b.{keys[0]} IS NULL)
    FROM '{ours}' a FULL JOIN '{theirs}' b ON {on}\"\"\").fetchall()[0]
print(rows)
sys.exit(f"{wrong} of {rows} rows differ" if wrong or not rows else 0)
"""


def compare(python, workload, outputs):
    """Every row of every peer against ours; figures of engines that disagree mean nothing."""
    rows = 0
    keys, values = ",".join(workload["keys"]), ",".join(workload["values"])
    for engine, output in outputs.items():
        if engine != "jumeau":
            command = [python, "-c", COMPARE, outputs["jumeau"], output, keys, values]
            rows = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return rows


def table(name, workload, figures, rows):
    ours = statistics.median(seconds for seconds, _ in figures["jumeau"])
    lines = [f"## {name}", "", workload["question"], ""]
    lines += [f"{rows:,} rows, the same from every engine.", ""]
    lines += ["| engine | median s | min s | max s | peak MiB | Jumeau's time ÷ this |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for engine, runs in figures.items():
        seconds = [second for second, _ in runs]
        median = statistics.median(seconds)
        peak = statistics.median(mebibytes for _, mebibytes in runs)
        ratio = "" if engine == "jumeau" else f"{ours / median:.2f}"
        lines.append(
            f"| {engine} | {median:.2f} | {min(seconds):.2f} | {max(seconds):.2f} | {peak:,.0f} | {ratio} |"
        )
    for engine, sql in workload["sql"].items():
        lines += ["", f"{engine}:", "", "```sql", sql.strip(), "```"]
    return "\n".join(lines)


def header(jumeau, options):
    version = subprocess.run([jumeau, "--version"], check=True, capture_output=True, text=True)
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    peers = ", ".join(f"{name} {number}" for name, number in PEERS.items())
    return "\n".join([
        "# Side by side",
        "",
        "<!-- Written by bench/run.py -->",
        "",
        f"{os.cpu_count()} × {cpu}, {platform.system()}; {version.stdout.strip()}, {peers}.",
        f"Whole processes from Parquet to Parquet, two threads each, in turn, {options.runs} runs after one to warm up;",
        f"{options.events:,} events. `events` is in the order of visitor and time, `by_time` in the order of time.",
    ])


main()
