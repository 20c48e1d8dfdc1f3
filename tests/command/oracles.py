"""Asks other libraries what our functions say: SciPy, scikit-learn, DuckDB.

    oracles.py JUMEAU FOLDER

writes random tables into FOLDER, queries them with the binary JUMEAU, works the same figures out by another route, and
prints a line for each function that agrees. The first difference ends it with a message.
"""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
from scipy import optimize, spatial, stats
from sklearn import calibration, metrics

JUMEAU, FOLDER = sys.argv[1], Path(sys.argv[2])
random = np.random.default_rng(20260615)


def ours(sql):
    """The rows of a query of ours."""
    done = subprocess.run(
        [JUMEAU, "query", "--quiet", "--format", "jsonl", sql], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{sql}\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(name, **columns):
    """Writes a table that our queries read."""
    rows = zip(*(np.asarray(column).tolist() for column in columns.values()), strict=True)
    lines = (",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    (FOLDER / f"{name}.csv").write_text("\n".join([",".join(columns), *lines]) + "\n")


def agree(function, got, expected, relative=1e-9, absolute=1e-12):
    """Compares two columns, None where there is no figure, and says so."""
    got, expected = list(got), list(expected)
    if len(got) != len(expected) or not got:
        sys.exit(f"{function}: {len(got)} rows, not {len(expected)}")
    for row, (one, other) in enumerate(zip(got, expected, strict=True)):
        if one is None or other is None:
            same = one is None and other is None
        else:
            same = abs(one - other) <= max(relative * abs(other), absolute)
        if not same:
            sys.exit(f"{function}, row {row}: {one}, not {other}")
    print(function)


def rates():
    trials = random.integers(1, 400, 600)
    successes = random.binomial(trials, random.uniform(0, 1, 600))
    confidence = random.choice([0.5, 0.8, 0.9, 0.95, 0.99], 600)
    alpha, beta = random.uniform(0.5, 40, 600), random.uniform(0.5, 40, 600)
    table("rates", s=successes, n=trials, c=confidence, a=alpha, b=beta)
    rows = ours(
        "SELECT wilson_lower(s, n, c) AS low, wilson_upper(s, n, c) AS high, "
        "shrunk_rate(s, n, a / (a + b), a + b) AS shrunk FROM 'rates.csv'"
    )
    bounds = [
        stats.binomtest(int(s), int(n)).proportion_ci(float(c), method="wilson")
        for s, n, c in zip(successes, trials, confidence, strict=True)
    ]
    agree("wilson_lower", (row["low"] for row in rows), (bound.low for bound in bounds), absolute=1e-10)
    agree("wilson_upper", (row["high"] for row in rows), (bound.high for bound in bounds), absolute=1e-10)
    posterior = stats.beta(alpha + successes, beta + trials - successes)
    agree("shrunk_rate", (row["shrunk"] for row in rows), posterior.mean())


def prior():
    """A population with a known prior: the fit has to find it, and its defining equation has to hold."""
    groups = 12
    group = np.repeat(np.arange(groups), 4000)
    alpha, beta = random.uniform(1, 20, groups), random.uniform(5, 200, groups)
    trials = random.integers(20, 400, group.size)
    successes = random.binomial(trials, random.beta(alpha[group], beta[group]))
    table("prior", g=group, s=successes, n=trials)
    rows = ours("SELECT g, beta_fit(s, n) AS f FROM 'prior.csv' GROUP BY g ORDER BY g")
    fits = [row["f"] for row in rows]
    agree("beta_fit: rate", (fit["rate"] for fit in fits), alpha / (alpha + beta), relative=0.05)
    agree("beta_fit: strength", (fit["strength"] for fit in fits), alpha + beta, relative=0.12)

    def equation(strength, s, n):
        # The expected squared distance of each rate of a beta-binomial from the common one, summed with its weight.
        p = s.sum() / n.sum()
        rho = 1 / (strength + 1)
        share = n / n.sum()
        variance = p * (1 - p) * (1 + (n - 1) * rho) / n
        expected = (n * variance * (1 - 2 * share)).sum() + n.sum() * (share**2 * variance).sum()
        return (n * (s / n - p) ** 2).sum() - expected

    roots = []
    for g in range(groups):
        s, n = successes[group == g], trials[group == g].astype(float)
        roots.append(optimize.brentq(equation, 0.1, 1e5, args=(s, n), xtol=1e-12, rtol=1e-14))
    agree("beta_fit: moments", (fit["strength"] for fit in fits), roots, relative=1e-8)


def surprise():
    counts = random.integers(1, 300, (500, 4))
    table("counts", a=counts[:, 0], b=counts[:, 1], c=counts[:, 2], d=counts[:, 3])
    rows = ours("SELECT llr(a, b, c, d) AS llr, root_llr(a, b, c, d) AS root FROM 'counts.csv'")
    expected = []
    signs = []
    for a, b, c, d in counts:
        result = stats.chi2_contingency([[a, b], [c, d]], correction=False, lambda_="log-likelihood")
        expected.append(result.statistic)
        signs.append(np.sign(a - result.expected_freq[0, 0]))
    agree("llr", (row["llr"] for row in rows), expected, relative=1e-7, absolute=1e-9)
    agree("root_llr", (row["root"] for row in rows), np.sign(signs) * np.sqrt(expected), relative=1e-6, absolute=1e-5)


def evaluation():
    groups, size = 25, 300
    group = np.repeat(np.arange(groups), size)
    # Two decimals: many ties.
    probability = np.round(random.beta(2, 3, group.size), 2).clip(0.01, 0.99)
    label = random.binomial(1, probability**1.3)
    # No border of a bin, which scikit-learn counts to the bin below and we to the one above.
    apart = (probability * 0.97 + 0.0031).round(6)
    table("scored", g=group, p=probability, q=apart, y=label)
    rows = ours(
        "SELECT g, auc(p, y) AS auc, auc_ci(p, y) AS ci, log_loss(p, y) AS log_loss, brier(p, y) AS brier, "
        "calibration_error(q, y) AS calibration_error, precision_at(p, y, 20) AS precision_at, "
        "recall_at(p, y, 20) AS recall_at, lift_at(p, y, 0.1) AS lift_at FROM 'scored.csv' GROUP BY g ORDER BY g"
    )
    names = ("auc", "log_loss", "brier", "calibration_error", "precision_at", "recall_at", "lift_at")
    wanted = {name: [] for name in names}
    bounds = []
    for g in range(groups):
        p, y = probability[group == g], label[group == g]
        hits = expected_hits(y, p, 20)
        wanted["auc"].append(metrics.roc_auc_score(y, p))
        wanted["log_loss"].append(metrics.log_loss(y, p))
        wanted["brier"].append(metrics.brier_score_loss(y, p))
        wanted["calibration_error"].append(calibration_error(y, apart[group == g]))
        wanted["precision_at"].append(hits / 20)
        wanted["recall_at"].append(hits / y.sum())
        wanted["lift_at"].append(expected_hits(y, p, size * 0.1) / (size * 0.1) / y.mean())
        bounds.append(hanley_mcneil(wanted["auc"][-1], y.sum(), (1 - y).sum()))
    for name in names:
        agree(name, (row[name] for row in rows), wanted[name])
    for name, expected in zip(("low", "high"), zip(*bounds, strict=True), strict=True):
        agree(f"auc_ci: {name}", (row["ci"][name] for row in rows), expected, relative=1e-8)


def hanley_mcneil(auc, hits, misses):
    """The AUCs that the measured one is 1.96 standard errors away from."""

    def off(true):
        q1, q2 = true / (2 - true), 2 * true**2 / (1 + true)
        variance = true * (1 - true) + (hits - 1) * (q1 - true**2) + (misses - 1) * (q2 - true**2)
        return (auc - true) ** 2 - stats.norm.ppf(0.975) ** 2 * variance / (hits * misses)

    return optimize.brentq(off, 1e-9, auc, xtol=1e-14), optimize.brentq(off, auc, 1 - 1e-12, xtol=1e-14)


def calibration_error(y, p):
    true, predicted = calibration.calibration_curve(y, p, n_bins=10, strategy="uniform")
    rows = np.histogram(p, bins=np.linspace(0, 1, 11))[0]
    return (np.abs(true - predicted) * rows[rows > 0]).sum() / rows.sum()


def expected_hits(y, p, k):
    """How many hits the k best have on average, when ties stand in random order."""
    hits, left = 0.0, k
    for score in np.unique(p)[::-1]:
        tied = y[p == score]
        if tied.size <= left:
            hits += tied.sum()
        else:
            # Of the tied rows any are as likely to be in: the mean of a hypergeometric distribution.
            hits += left * tied.mean()
            break
        left -= tied.size
    return hits


def similarity():
    sets = random.integers(0, 2, (400, 2, 12)).astype(bool)
    weights = np.round(random.uniform(0, 5, (400, 2, 12)) * sets, 3)
    names = [f"c{index}" for index in range(12)]

    def as_list(row):
        return [name for name, present in zip(names, row, strict=True) if present]

    lines = (
        json.dumps({"a": as_list(a), "b": as_list(b), "v": dict(zip(names, v.tolist(), strict=True)),
                    "w": dict(zip(names, w.tolist(), strict=True))})
        for (a, b), (v, w) in zip(sets, weights, strict=True)
    )
    (FOLDER / "sets.jsonl").write_text("\n".join(lines) + "\n")
    maps = [f"MAP([{', '.join(repr(n) for n in names)}], [{', '.join(f'{m}[{n!r}]' for n in names)}])" for m in "vw"]
    rows = ours(f"SELECT jaccard(a, b) AS jaccard, weighted_jaccard({maps[0]}, {maps[1]}) AS weighted FROM 'sets.jsonl'")
    pairs = sets[:, 0], sets[:, 1]
    expected = [
        None if not (a | b).any() else 1 - spatial.distance.jaccard(a, b) for a, b in zip(*pairs, strict=True)
    ]
    agree("jaccard", (row["jaccard"] for row in rows), expected)
    # Bray and Curtis' dissimilarity d is (1 - r) / (1 + r) of Ruzicka's similarity r.
    distances = [spatial.distance.braycurtis(a, b) for a, b in weights]
    agree("weighted_jaccard", (row["weighted"] for row in rows), [(1 - d) / (1 + d) for d in distances])


def events():
    """DuckDB works the same events out in plain SQL."""
    n = 20_000
    seconds = random.integers(0, 400 * 86400, n)
    table(
        "events",
        g=random.integers(0, 200, n),
        t=[str(moment) for moment in np.datetime64("2025-06-01T00:00:00") + seconds.astype("timedelta64[s]")],
        w=np.round(random.uniform(0, 9, n), 2),
    )
    rows = ours(
        """
        SELECT g, decayed_sum(w, t, INTERVAL '20 days', TIMESTAMP '2026-06-15') AS sum,
          pressure(t, INTERVAL '20 days', TIMESTAMP '2026-06-15') AS pressure,
          affinity(w, t, INTERVAL '20 days', TIMESTAMP '2026-06-15') AS a, effective_n(w) AS n,
          rfm(t, w, TIMESTAMP '2026-06-15') AS r
        FROM 'events.csv' GROUP BY g ORDER BY g
        """
    )
    theirs = duckdb.sql(
        f"""
        WITH past AS (
          SELECT g, w, t, epoch(TIMESTAMP '2026-06-15' - t) AS age, pow(0.5, age / (20 * 86400)) AS f
          FROM read_csv('{FOLDER}/events.csv', columns = {{'g': 'BIGINT', 't': 'TIMESTAMP', 'w': 'DECIMAL(18,2)'}})
          WHERE t <= TIMESTAMP '2026-06-15'
        ), everything AS (
          SELECT g, pow(sum(w::DOUBLE), 2) / sum(pow(w::DOUBLE, 2)) AS n
          FROM read_csv('{FOLDER}/events.csv', columns = {{'g': 'BIGINT', 't': 'TIMESTAMP', 'w': 'DOUBLE'}}) GROUP BY g
        )
        SELECT sum(w::DOUBLE * f), sum(f), pow(sum(w::DOUBLE * f), 2) / sum(pow(w::DOUBLE * f, 2)), count(*),
          any_value(n), min(age) / 86400, sum(w)::DOUBLE
        FROM past JOIN everything USING (g) GROUP BY g ORDER BY g
        """
    ).fetchall()
    columns = list(zip(*theirs, strict=True))
    agree("decayed_sum", (row["sum"] for row in rows), columns[0])
    agree("pressure", (row["pressure"] for row in rows), columns[1])
    agree("affinity: score", (row["a"]["score"] for row in rows), columns[0])
    agree("affinity: evidence", (row["a"]["evidence"] for row in rows), columns[2])
    agree("affinity: events", (row["a"]["events"] for row in rows), columns[3])
    agree("effective_n", (row["n"] for row in rows), columns[4])
    agree("rfm: recency", (row["r"]["recency"] for row in rows), columns[5])
    agree("rfm: frequency", (row["r"]["frequency"] for row in rows), columns[3])
    agree("rfm: monetary", (float(row["r"]["monetary"]) for row in rows), columns[6])


def plans():
    """HiGHS solves the linear relaxation, and the whole problem as far as it is small enough."""
    channels = np.array(["email", "sms", "post", "call"])
    bounds, relaxations = {"free": [], "quota": []}, {"free": [], "quota": []}
    for market in range(6):
        person, channel = np.nonzero(random.uniform(size=(120, channels.size)) < 0.8)
        micros = (np.array([500, 60_000, 820_000, 2_500_000])[channel] * random.uniform(0.5, 2, person.size)).astype(int)
        value = np.round(np.array([0.4, 1.0, 2.5, 4.0])[channel] * random.exponential(1, person.size) - 0.2, 6)
        consented = random.uniform(size=person.size) < 0.9
        table(
            f"candidates{market}", person_id=person, channel=channels[channel], cost=[f"{m / 1e6:.6f}" for m in micros],
            value=value, consented=np.where(consented, "true", "false"),
        )
        once = person == np.unique(person)[:, None]
        limits = np.vstack([once, micros / 1e6, channel == 1])
        loss = -np.where(consented, value, -1)

        def most(budget, quota, people=len(once)):
            return np.concatenate([np.ones(people), [budget, quota]])

        def frontier(budgets, quota="", market=market):
            return ours(
                f"SELECT * FROM plan_frontier((SELECT * FROM 'candidates{market}.csv'), "
                f"budgets => [{', '.join(map(str, budgets))}]{quota})"
            )

        budgets = [0.05, 1, 10, 40, 10_000]
        free = [linear(loss, limits, most(budget, 1000)) for budget in budgets]
        check(frontier(budgets), [-found.fun for found in free], bounds["free"], relaxations["free"])
        texts = round(free[3].x[channel == 1].sum())
        quota = texts // 2
        tight = [linear(loss, limits, most(budget, quota)) for budget in budgets[3:]]
        if not 1 < quota < texts or -tight[0].fun >= -free[3].fun * (1 - 1e-6):
            sys.exit("plan_frontier: the quota does not bind")
        rows = frontier(budgets[3:], f", quota => MAP {{'sms': {quota}}}")
        check(rows, [-found.fun for found in tight], bounds["quota"], relaxations["quota"])
        best = -whole(loss, limits, most(budgets[3], quota)).fun
        if not rows[0]["value"] * (1 - 1e-9) <= best <= rows[0]["bound"] * (1 + 1e-9):
            sys.exit(f"plan_frontier: {rows[0]}, the best plan is worth {best}")
    agree("plan_frontier: bound", bounds["free"], relaxations["free"])
    agree("plan_frontier: bound with a quota", bounds["quota"], relaxations["quota"])


def linear(loss, limits, most):
    return optimize.linprog(loss, A_ub=limits, b_ub=most, bounds=(0, 1), method="highs")


def whole(loss, limits, most):
    rows = optimize.LinearConstraint(limits, ub=most)
    return optimize.milp(loss, constraints=rows, integrality=np.ones(loss.size), bounds=optimize.Bounds(0, 1))


def check(rows, relaxed, bounds, relaxations):
    """A plan keeps to its budget, and its value is as near to the bound as it says."""
    for row in rows:
        value, bound = row["value"], row["bound"]
        if not bound * (1 - row["gap"]) * (1 - 1e-12) <= value <= bound or float(row["spend"]) > float(row["budget"]):
            sys.exit(f"plan_frontier: {row}")
        bounds.append(bound)
    relaxations.extend(relaxed)


def recommendations():
    """DuckDB joins and adds up what our function does in one go."""
    n = 6000
    table("history", visitor=random.integers(0, 300, n), item=random.integers(0, 200, n),
          weight=np.round(random.uniform(0.01, 3, n), 2))
    pairs = random.choice(200 * 200, 3000, replace=False)
    table("neighbours", item=pairs // 200, other=pairs % 200, score=np.round(random.uniform(-1, 5, 3000), 2))
    rows = ours(
        "SELECT visitor, score, evidence FROM recommend('history.csv', 'neighbours.csv', k => 7) ORDER BY visitor, rank"
    )
    theirs = duckdb.sql(
        f"""
        WITH history AS (
          SELECT visitor, item, sum(weight) AS weight FROM '{FOLDER}/history.csv' GROUP BY ALL
        ), scored AS (
          SELECT visitor, other AS item, sum(weight * score) AS score, count(*) AS evidence
          FROM history JOIN '{FOLDER}/neighbours.csv' USING (item) GROUP BY ALL
        )
        SELECT visitor, score, evidence, row_number() OVER (
          PARTITION BY visitor ORDER BY round(score, 9) DESC, evidence DESC, item
        ) AS rank
        FROM scored ANTI JOIN history USING (visitor, item) QUALIFY rank <= 7 ORDER BY visitor, rank
        """
    ).fetchall()
    columns = list(zip(*theirs, strict=True))
    agree("recommend: visitor", (row["visitor"] for row in rows), columns[0])
    agree("recommend: score", (row["score"] for row in rows), columns[1])
    agree("recommend: evidence", (row["evidence"] for row in rows), columns[2])


for oracle in (rates, prior, surprise, evaluation, similarity, events, plans, recommendations):
    oracle()
