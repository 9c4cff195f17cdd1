"""Make the corpus files of the tests, and neighbours by numpy.

    pip install pyarrow numpy && python make.py

`reviews.*` are the same three samples in every format; the Parquet ones have dictionaries, and labels as strings or as
whole numbers, with each codec that is read. `neighbours.json` has vectors with ties, zeros and duplicates among them,
queries, and the order of all rows by numpy's cosine in float64, ties by row.
"""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROWS = [
    ("a", 'so "good", truly', "POSITIVE"),
    ("b", "dull\nand long", "NEGATIVE"),
    ("c", "真的很棒", "POSITIVE"),
]


def tables() -> None:
    lines = [json.dumps({"id": i, "text": t, "label": y}, ensure_ascii=False) for i, t, y in ROWS]
    (HERE / "reviews.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with open(HERE / "reviews.csv", "w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("id", "text", "label"), *ROWS])
    ids, texts, labels = zip(*ROWS)
    table = pa.table({"label": labels, "other": [1.5, 2.5, 3.5], "text": texts, "id": ids})
    for codec in ("none", "snappy", "zstd"):
        pq.write_table(table, HERE / f"reviews-{codec}.parquet", compression=codec)
    whole = [int(label == "POSITIVE") for label in labels]
    pq.write_table(pa.table({"text": texts, "label": whole}), HERE / "whole.parquet")
    pq.write_table(pa.table({"text": ["x", None], "label": [0, 1]}), HERE / "null.parquet")
    # 976 bytes, of which one page becomes 16 MiB.
    large = pa.table({"text": ["a" * (1 << 20)] * 16, "label": ["POSITIVE"] * 16})
    pq.write_table(large, HERE / "large-page.parquet", compression="zstd", compression_level=19,
                   use_dictionary=False, data_page_size=2**31 - 1, write_batch_size=100_000,
                   write_statistics=False, store_schema=False)


def neighbours() -> None:
    generator = np.random.default_rng(0)
    width = 24
    rows = generator.standard_normal((60, width)).astype(np.float32)
    rows[7] = rows[3]  # a duplicate
    rows[11] = 2 * rows[3]  # the same direction
    rows[20] = rows[21] = 0
    rows[30:40] = rows[30]  # ten times the same
    queries = np.stack([rows[3], rows[30], np.zeros(width), *generator.standard_normal((5, width))]).astype(np.float32)
    found = []
    for query in queries:
        sizes = np.linalg.norm(rows.astype(np.float64), axis=1) * np.linalg.norm(query.astype(np.float64))
        dots = rows.astype(np.float64) @ query.astype(np.float64)
        similar = np.divide(dots, sizes, out=np.zeros(len(rows)), where=sizes > 0)
        # Rounded, so that sums in another order tie alike.
        order = np.lexsort((np.arange(len(rows)), -similar.round(12)))
        found.append({"query": query.tolist(), "rows": order.tolist(), "similarity": similar[order].tolist()})
    golden = {"made_with": {"numpy": np.__version__}, "rows": rows.tolist(), "found": found}
    (HERE / "neighbours.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tables()
    neighbours()
