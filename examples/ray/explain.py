"""Explains every row of a file with Ray Data.

    python explain.py ROWS RESULTS [--workers N] [--cpus N] [--options JSON]

ROWS is a .jsonl, .csv or .parquet file with columns `id` and `text`, and optionally `text_pair`, or
a folder of such files. RESULTS is a folder: Parquet files with the columns `id` and `result`, the
JSON of POST /explain for the row. Each worker is a Ray actor with a service of its own, and they run
on the cluster of RAY_ADDRESS; without one, on this machine.
"""

import argparse
import json
import os
from typing import Any

import explaind
import httpx
import ray

ROWS_PER_REQUEST = 32


class Explain:
    """A worker: a service, and a client that sends it batches of rows."""

    def __init__(self, options: dict[str, Any], cpus: int) -> None:
        # As many threads as Ray has reserved for this worker.
        os.environ["EXPLAIND_ENGINE__THREADS"] = str(cpus)
        self.options = options
        self.client = explaind.Client(timeout=600)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        names = [name for name in ("id", "text", "text_pair") if name in batch]
        inputs = [
            {name: str(value) for name, value in zip(names, row) if value is not None}
            for row in zip(*(batch[name] for name in names))
        ]
        results = self.explain(inputs)
        return {
            "id": [each["id"] for each in inputs],
            "result": [json.dumps(result, ensure_ascii=False) for result in results],
        }

    def explain(self, inputs: list[dict[str, str]]) -> list[dict[str, Any]]:
        """The results of the inputs; those that fail have an error."""
        body = self.options | {"inputs": inputs}
        try:
            return self.client.request("POST", "/explain", body)["results"]
        except httpx.TransportError:
            # The service ended, for example for lack of memory. A new client starts it again.
            self.client = explaind.Client(timeout=600)
            return self.client.request("POST", "/explain", body)["results"]
        except explaind.ProblemError as error:
            # Either all inputs failed, or the request is too large.
            if len(inputs) > 1:
                return [result for one in inputs for result in self.explain([one])]
            return [{"id": inputs[0]["id"], "error": error.problem.raw}]


def read(path: str) -> ray.data.Dataset:
    readers = {"jsonl": ray.data.read_json, "csv": ray.data.read_csv}
    return readers.get(path.rpartition(".")[2], ray.data.read_parquet)(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows")
    parser.add_argument("results")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=1, help="CPUs per worker (1)")
    parser.add_argument("--options", type=json.loads, default={}, help="fields of POST /explain")
    arguments = parser.parse_args()
    # Blocks are what workers take, one at a time.
    rows = read(arguments.rows).repartition(target_num_rows_per_block=8 * ROWS_PER_REQUEST)
    results = rows.map_batches(
        Explain,
        fn_constructor_args=(arguments.options, arguments.cpus),
        batch_size=ROWS_PER_REQUEST,
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_cpus=arguments.cpus,
    )
    results.write_parquet(arguments.results)


if __name__ == "__main__":
    main()
