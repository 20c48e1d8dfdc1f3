"""Times Jumeau against other engines, side by side, and writes RESULTS.md.

    python3 bench/run.py [WORKLOAD ...] [--runs N] [--events N]

Each workload is one TOML file in workloads/: the same question in the SQL of each engine that can
answer it, or as a Python program where the peer is a library; it may have no peer at all. A run is
a whole process, from Parquet to Parquet, with two threads; the engines take turns, so that a machine
that slows down slows all of them. Answers are compared before any figure is written. The peers are installed at
pinned versions below the build folder.

    question   one sentence
    keys       columns that name a row, the same in every answer
    values     columns that are compared
    tolerance  relative, 1e-9 when left out
    [data]     NAME = SQL of DuckDB that makes {data}/NAME.parquet, in this order;
               without it, {data} is the sample: events.parquet, by_time.parquet, orders.parquet …
    [sql]      ENGINE = query: jumeau, duckdb or chdb
    [program]  NAME = Python that writes its answer to the file sys.argv[1]
    [runs]     NAME = how often, for a peer that takes minutes
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
PEERS = {
    "duckdb": "2.0.0",
    "chdb": "4.4.0",
    "sparse-dot-topn": "1.2.0",
    "implicit": "0.7.3",
    "scikit-learn": "1.9.1",
    "scipy": "1.17.1",
    "pandas": "3.1.1",
    "pyarrow": "26.0.1",
}
# Two threads for everybody, and each peer the fastest kernels that its libraries have.
SETTINGS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}
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
    work.mkdir(exist_ok=True)
    files = sorted(HERE.glob("workloads/*.toml"))
    names = options.workload or [file.stem for file in files]
    sections = []
    for file in files:
        if file.stem in names:
            workload = tomllib.loads(file.read_text())
            if "data" in workload:
                data = generated(file.stem, workload["data"], python, work)
            else:
                data = sample(jumeau, python, work, options.events)
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
    venv = target / "bench-peers"
    python = venv / "bin" / "python"
    done = venv / "done"
    if not done.exists() or done.read_text().split() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *pins], check=True)
        done.write_text("\n".join(pins))
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


def generated(name, files, python, work):
    """The data of one workload, made by DuckDB; made anew when their SQL changes."""
    folder = work / f"data-{name}"
    folder.mkdir(exist_ok=True)
    done = folder / "done"
    recipe = json.dumps(files)
    if not done.exists() or done.read_text() != recipe:
        done.unlink(missing_ok=True)
        for file, sql in files.items():
            output = folder / f"{file}.parquet"
            subprocess.run([python, "-c", PROGRAMS["duckdb"], sql.replace("{data}", str(folder)), output], check=True)
        done.write_text(recipe)
    return folder


def run(name, workload, jumeau, python, work, data, runs):
    commands, outputs = {}, {}
    for engine, sql in workload["sql"].items():
        sql = sql.replace("{data}", str(data)).strip()
        outputs[engine] = work / f"{name}.{engine}.parquet"
        if engine == "jumeau":
            commands[engine] = [jumeau, "query", sql, "--threads", "2", "--quiet", "-o", outputs[engine]]
        else:
            commands[engine] = [python, "-c", PROGRAMS[engine], sql, outputs[engine]]
    for peer, program in workload.get("program", {}).items():
        outputs[peer] = work / f"{name}.{peer}.parquet"
        commands[peer] = [python, "-c", program.replace("{data}", str(data)), outputs[peer]]
    figures = {engine: [] for engine in commands}
    for turn in range(runs + 1):  # the first warms the page cache and is not counted
        for engine, command in commands.items():
            wanted = min(runs, workload.get("runs", {}).get(engine, runs))
            if wanted < turn or (turn == 0 and wanted < runs):
                continue
            seconds, mebibytes = measure(command)
            if turn:
                figures[engine].append((seconds, mebibytes))
    agreement = compare(python, workload, outputs)
    section = table(name, workload, figures, agreement)
    print(section, flush=True)
    return section


def measure(command):
    started = time.perf_counter()
    settings = {name: value for name, value in {**os.environ, **SETTINGS}.items() if value is not None}
    words = [str(word) for word in command]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=settings)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {command}")
    return seconds, usage.ru_maxrss / 1024


COMPARE = """
import duckdb, sys
ours, theirs, keys, values = sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4].split(",")
near = float(sys.argv[5])
same = " AND ".join(
    f"(a.{v} IS NOT DISTINCT FROM b.{v} OR abs(a.{v} - b.{v}) <= {near} * greatest(abs(a.{v}), abs(b.{v})))"
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
    near = str(workload.get("tolerance", 1e-9))
    for engine, output in outputs.items():
        if engine != "jumeau":
            command = [python, "-c", COMPARE, outputs["jumeau"], output, keys, values, near]
            answer = subprocess.run(command, capture_output=True, text=True)
            if answer.returncode:
                sys.exit(f"{engine}: {answer.stderr}")
            rows = int(answer.stdout)
    return rows


def table(name, workload, figures, rows):
    ours = statistics.median(seconds for seconds, _ in figures["jumeau"])
    lines = [f"## {name}", "", workload["question"], ""]
    alone = len(figures) == 1
    lines += ["No other engine was asked." if alone else f"{rows:,} rows, the same from every engine.", ""]
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
    for peer, program in workload.get("program", {}).items():
        lines += ["", f"{peer}:", "", "```python", program.strip(), "```"]
    for file, sql in workload.get("data", {}).items():
        lines += ["", f"{file}.parquet:", "", "```sql", sql.strip(), "```"]
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
