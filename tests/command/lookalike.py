"""Compares lookalike_weights and lookalike_score with scikit-learn.

    lookalike.py JUMEAU coefficients
    lookalike.py JUMEAU quality DATA      five folds of real people, below the folder DATA
"""

import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import pandas
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder

# Fewer bins than asked for, where one value is common.
warnings.filterwarnings("ignore", message="Bins whose width are too small")
JUMEAU = sys.argv[1]
FOLDER = pathlib.Path(tempfile.mkdtemp())


def query(sql, **tables):
    """The result of a query over data frames, which it names in braces."""
    files = {}
    for name, frame in tables.items():
        files[name] = f"'{FOLDER / name}.parquet'"
        frame.to_parquet(FOLDER / f"{name}.parquet", index=False)
    out = FOLDER / "out.parquet"
    subprocess.run([JUMEAU, "--quiet", "query", sql.format(**files), "-o", out], check=True, cwd=FOLDER)
    return pandas.read_parquet(out)


def coefficients():
    draw = numpy.random.default_rng(7)
    n = 6000
    label = draw.random(n) < 0.2
    people = pandas.DataFrame({
        "id": draw.permutation(n),
        "city": draw.choice(["paris", "lyon", "lille", "brest", None], n, p=[0.5, 0.3, 0.1, 0.004, 0.096]),
        "spend": numpy.where(draw.random(n) < 0.1, numpy.nan, draw.exponential(50 + 40 * label, n)),
        "children": draw.poisson(1 + label, n).clip(0, 4),
        "likes": [draw.choice(["tent", "map", "stove", "boat", "rope"], draw.integers(0, 4)).tolist() for _ in range(n)],
    })
    # Rare, and nearly always the seed: the weight must be held back by the penalty alone.
    people["vip"] = label & (draw.random(n) < 0.02)
    for alpha in [0.01, 2.5]:
        weights = query(
            f"SELECT * FROM lookalike_weights({{seed}}, {{base}}, method => 'logistic', alpha => {alpha}, bins => 6)",
            seed=people[label], base=people[~label],
        )
        intercept, rows = weights.iloc[0], weights.iloc[1:]
        assert intercept.feature == "(intercept)" and intercept.seed_n == label.sum()
        columns = []
        for row in rows.itertuples():
            column = people[row.feature]
            if row.feature == "likes":
                column = column.map(lambda likes, value=row.value: value in likes)
            elif not (pandas.isna(row.low) and pandas.isna(row.high)):
                low, high = numpy.nan_to_num([row.low, row.high], nan=0)
                low, high = (-numpy.inf if pandas.isna(row.low) else low), (numpy.inf if pandas.isna(row.high) else high)
                column = (column >= low) & (column < high)
            elif row.value is None or pandas.isna(row.value):
                column = column.isna()
            elif row.feature == "children":
                column = column == float(row.value)
            elif row.feature == "vip":
                column = column == (row.value == "true")
            else:
                column = column == row.value
            assert column[label].sum() == row.seed_n and column[~label].sum() == row.base_n, row
            columns.append(column.to_numpy(float))
        x = numpy.column_stack(columns)
        model = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, label)
        worst = abs(model.coef_[0] - rows.weight).max()
        worst = max(worst, abs(model.intercept_[0] - intercept.weight))
        print(f"alpha {alpha}: {len(rows)} weights, the furthest {worst:.1e} off")
        assert worst < 1e-4
        scores = query("SELECT * FROM lookalike_score({people}, {weights})", people=people, weights=weights)
        scores = scores.set_index("id").loc[people.id]
        expected = model.predict_proba(x)[:, 1]
        assert abs(scores.probability.to_numpy() - expected).max() < 1e-4
        assert (scores.matched.to_numpy() == x.sum(axis=1)).all()


def bank(data):
    frame = pandas.read_csv(data / "bank" / "bank-full.csv", sep=";").replace("unknown", None)
    # The length of the call is known once it has ended, with its outcome.
    return frame.drop(columns=["duration", "y"]), frame.y == "yes"


def leads(data):
    frame = pandas.read_csv(data / "leads" / "leads.csv").replace("Select", None)
    # What was done with a lead and what its sellers wrote down about it, before and after it converted; and ids.
    after = ["Tags", "Lead Quality", "Lead Profile", "Last Activity", "Last Notable Activity", "Prospect ID", "Lead Number"]
    after += [column for column in frame if column.startswith("Asymmetrique")]
    return frame.drop(columns=[*after, "Converted"]), frame.Converted == 1


def reference(x):
    """One-hot values and quantile bins, unknown a value of its own."""
    numbers = [c for c in x if pandas.api.types.is_numeric_dtype(x[c]) and x[c].nunique() > 10]
    others = [c for c in x if c not in numbers]
    text = FunctionTransformer(lambda frame: frame.astype("object").where(frame.notna(), "(unknown)").astype(str))
    bins = KBinsDiscretizer(10, encode="onehot", strategy="quantile", quantile_method="averaged_inverted_cdf")
    fill = FunctionTransformer(lambda frame: frame.fillna(-1e9))
    encoded = make_column_transformer(
        (make_pipeline(text, OneHotEncoder(handle_unknown="ignore")), others), (make_pipeline(fill, bins), numbers)
    )
    return make_pipeline(encoded, LogisticRegression(C=1.0, max_iter=2000))


def calibration_error(p, label):
    order = numpy.argsort(p, kind="stable")
    groups = numpy.array_split(order, 10)
    return sum(len(g) * abs(p[g].mean() - label[g].mean()) for g in groups) / len(p)


def quality(data):
    for name, (x, label) in {"bank": bank(data), "leads": leads(data)}.items():
        x, label = x.reset_index(drop=True), label.to_numpy()
        people = x.copy()
        people.insert(0, "person", range(len(x)))
        found = {m: numpy.zeros(len(x)) for m in ["scikit-learn", "logistic", "log_odds"]}
        chances = {m: numpy.zeros(len(x)) for m in found}
        aucs = {m: [] for m in found}
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, label):
            model = reference(x.iloc[train]).fit(x.iloc[train], label[train])
            chances["scikit-learn"][test] = model.predict_proba(x.iloc[test])[:, 1]
            found["scikit-learn"][test] = chances["scikit-learn"][test]
            for method in ["logistic", "log_odds"]:
                scores = query(
                    "SELECT * FROM lookalike_score({test}, (SELECT * FROM lookalike_weights({seed}, {base}, "
                    f"method => '{method}')))",
                    seed=people.iloc[train][label[train]], base=people.iloc[train][~label[train]], test=people.iloc[test],
                ).set_index("id").loc[test]
                found[method][test] = scores.score
                chances[method][test] = scores.probability
            for method in found:
                aucs[method].append(roc_auc_score(label[test], found[method][test]))
        auc = {method: numpy.mean(values) for method, values in aucs.items()}
        error = {method: calibration_error(chances[method], label) for method in chances}
        print(name, *(f"{m}: AUC {auc[m]:.4f}, calibration error {error[m]:.4f}" for m in auc), sep="\n  ")
        assert abs(auc["logistic"] - auc["scikit-learn"]) <= 0.01
        assert auc["log_odds"] >= auc["scikit-learn"] - 0.03
        assert error["logistic"] <= 0.02


if sys.argv[2] == "coefficients":
    coefficients()
else:
    quality(pathlib.Path(sys.argv[3]))
