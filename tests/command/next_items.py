"""Compares next_items with a plain implementation on the clicks of a real shop.

    next_items.py JUMEAU DATA      the folder DATA has eshop/e-shop_clothing_2008.csv

Each beginning of each session of the last days is a current session; the past are the sessions of the days before. All
rows must be the same, and so must the hit rate and the mean reciprocal rank of the item that really came next.
"""

import math
import pathlib
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict

import pandas

JUMEAU, DATA = sys.argv[1], pathlib.Path(sys.argv[2])
FOLDER = pathlib.Path(tempfile.mkdtemp())
K, SAMPLE, NEIGHBOURS, LAST_ITEMS = 20, 1500, 300, 4


def clicks():
    """Session, item, time: the day, and as many seconds later as the click is in its session."""
    rows = pandas.read_csv(DATA / "eshop/e-shop_clothing_2008.csv")
    day = pandas.to_datetime(rows[["year", "month", "day"]])
    return pandas.DataFrame({
        "session": rows["session.ID"],
        "item": rows["page.2..clothing.model."],
        "event_time": (day + pandas.to_timedelta(rows["order"], unit="s")).astype("datetime64[us]"),
    })


def cut(rows):
    """The past, the beginnings of later sessions, and the item that came next in each."""
    start = rows.groupby("session").event_time.transform("min")
    late = start >= rows.event_time.max().normalize() - pandas.Timedelta(days=1)
    past, later = rows[~late], rows[late].sort_values(["session", "event_time"])
    sessions = defaultdict(list)
    for session, item, time in later.itertuples(index=False):
        sessions[session].append((item, time))
    beginnings, came = [], {}
    for session, mine in sessions.items():
        for length in range(1, len(mine)):
            name = session * 1000 + length
            beginnings += [(name, *click) for click in mine[:length]]
            came[name] = mine[length][0]
    return past, pandas.DataFrame(beginnings, columns=past.columns), came


def plain(past, current):
    """Session kNN with dictionaries, as the reference of the function words it."""
    items, ends, with_item = defaultdict(set), {}, defaultdict(list)
    for session, item, time in past.itertuples(index=False):
        items[session].add(item)
        ends[session] = max(time.value, ends.get(session, time.value))
    by_end = sorted(items, key=lambda session: (-ends[session], session))
    for session in by_end:
        for item in items[session]:
            with_item[item].append(session)
    views = defaultdict(dict)
    for session, item, time in current.itertuples(index=False):
        views[session][item] = max(time.value, views[session].get(item, time.value))
    rows = []
    for name, latest in sorted(views.items()):
        end = max(latest.values())
        last = sorted(latest, key=lambda item: (-latest[item], item))[:LAST_ITEMS]
        place = {item: steps for steps, item in enumerate(last)}
        shared = defaultdict(list)
        for item in last:
            # All of the past ended on the days before.
            for session in with_item[item][:SAMPLE]:
                shared[session].append(place[item])
        assert all(ends[session] <= end for session in shared)
        candidates = sorted(shared, key=lambda session: (-ends[session], session))[:SAMPLE]
        similarity = {session: sum(len(last) - steps for steps in shared[session]) for session in candidates}
        candidates.sort(key=lambda session: -similarity[session])
        weight, support = Counter(), Counter()
        for session in candidates[:NEIGHBOURS]:
            for item in items[session] - {last[0]}:
                weight[item] += similarity[session] * (9 - min(shared[session]))
                support[item] += 1
        score = {
            item: weight[item] / (10 * len(last)) * math.log(len(items) / len(with_item[item])) for item in weight
        }
        best = sorted(score, key=lambda item: (-score[item], -support[item], item))[:K]
        rows += [(name, item, score[item], support[item], rank) for rank, item in enumerate(best, 1)]
    return pandas.DataFrame(rows, columns=["session", "item", "score", "neighbours", "rank"])


def quality(rows, came):
    """HR@20 and MRR@20."""
    ranks = [rank for session, item, rank in zip(rows.session, rows["item"], rows["rank"]) if came[session] == item]
    return len(ranks) / len(came), sum(1 / rank for rank in ranks) / len(came)


past, current, came = cut(clicks())
past.to_parquet(FOLDER / "past.parquet", index=False)
current.to_parquet(FOLDER / "current.parquet", index=False)
out = FOLDER / "out.parquet"
sql = f"SELECT * FROM next_items('{FOLDER}/past.parquet', '{FOLDER}/current.parquet') ORDER BY session, rank"
subprocess.run([JUMEAU, "--quiet", "query", sql, "-o", out], check=True, cwd=FOLDER)
ours, theirs = pandas.read_parquet(out), plain(past, current)
pandas.testing.assert_frame_equal(ours, theirs, check_dtype=False, rtol=1e-12, atol=0)
hits, reciprocal = quality(ours, came)
assert (hits, reciprocal) == quality(theirs, came)
popular = past.drop_duplicates(["session", "item"])["item"].value_counts().index[:K]
guess = pandas.DataFrame([(session, item, rank) for session in came for rank, item in enumerate(popular, 1)],
                         columns=["session", "item", "rank"])
by_popularity = quality(guess, came)
assert hits > 1.5 * by_popularity[0] and reciprocal > 1.5 * by_popularity[1], (hits, reciprocal, by_popularity)
print(f"{len(came)} sessions: HR@20 {hits:.4f}, MRR@20 {reciprocal:.4f}; "
      f"the most popular items: {by_popularity[0]:.4f}, {by_popularity[1]:.4f}")
