"""Checks that `explaind batch` writes every line once; see scripts/batch-test."""

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet

SHARDS = 4
WORDS = (
    "The film is a long and rather slow story about a family that moves to the sea and finds there "
    "what it had not looked for , told with great warmth and not without dull songs"
).split()
OPTIONS = '{"attention": false}'
MANY = 100_000
"""Rows of the large file; they are empty, so that they take no time."""
MEMORY = 48 << 20
"""Bytes by which the memory for many rows may differ from that for few."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--rows", type=int, default=160)
    parser.add_argument("--kills", type=int, default=4, help="of each shard (4)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--ray", action="store_true")
    return parser.parse_args()


class Runs:
    """Runs the command in a folder."""

    def __init__(self, binary: str, folder: Path, methods: str) -> None:
        self.binary, self.folder = binary, folder
        self.asked = ["--method", methods, "--options", OPTIONS]

    def start(self, rows: str, output: str, *flags: str) -> "subprocess.Popen[bytes]":
        command = [self.binary, "batch", "--input", rows, "--output", output, *self.asked, *flags]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)

    def run(self, rows: str, output: str, *flags: str) -> Path:
        """Runs to the end. Some rows have an error, for which the status is 3."""
        status = self.start(rows, output, *flags).wait()
        assert status == 3, f"{output}: {status}\n{(self.folder / 'log').read_text()}"
        return self.folder / output

    def lines(self, output: str) -> list[str]:
        return (self.folder / output).read_text().splitlines()


def make_rows(count: int, rng: random.Random) -> list[dict[str, str]]:
    """Rows of which some are empty or too long."""
    rows = []
    for number in range(count):
        text = " ".join(rng.choices(WORDS, k=rng.randrange(3, 40)))
        if number % 20 == 7:
            text = rng.choice([" ", "long " * 1000])
        rows.append({"id": f"row {number}", "text": text})
    return rows


def write_rows(folder: Path, rows: list[dict[str, str]]) -> list[str]:
    """Writes the rows in every format, and returns the names of the files."""
    lines = [json.dumps(row) for row in rows]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    for name, dialect in (("rows.csv", "excel"), ("rows.tsv", "excel-tab")):
        with (folder / name).open("w", newline="") as file:
            table = csv.DictWriter(file, ["text", "id"], dialect=dialect)
            table.writeheader()
            table.writerows(rows)
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(rows), folder / "rows.parquet", row_group_size=len(rows) // 3
    )
    # What only JSON can have.
    lines += ['{"id": "cut", "te', "[]", '{"id": "none"}', json.dumps({"text": "without an id"})]
    (folder / "all.jsonl").write_text("\n".join(lines))
    return ["rows.jsonl", "rows.csv", "rows.tsv", "rows.parquet"]


def check_formats(runs: Runs, files: list[str]) -> None:
    first, *others = files
    expected = runs.run(first, "first.jsonl").read_text()
    for name in others:
        assert runs.run(name, f"{name}.jsonl").read_text() == expected, name
    check_columns(runs.run(first, "first.parquet"), expected.splitlines())
    print(f"{len(files)} formats have the same {expected.count(chr(10))} lines, and Parquet too")


def check_columns(path: Path, lines: list[str]) -> None:
    table = pyarrow.parquet.read_table(path, arrow_extensions_enabled=False).to_pydict()
    assert table["result"] == lines, path
    results = [json.loads(line) for line in lines]
    assert table["id"] == [result["id"] for result in results]
    codes = [result["error"]["code"] if "error" in result else None for result in results]
    assert table["error"] == codes


def shard(path: str, index: int) -> str:
    stem, ending = path.rsplit(".", 1)
    return f"{stem}-{index:05}-of-{SHARDS:05}.{ending}"


def kill_often(runs: Runs, output: str, index: int, kills: int, rng: random.Random) -> int:
    """Runs a shard that is killed at random moments: after so many bytes, or after a while. Returns
    how often it was killed before its end."""
    killed, partial = 0, runs.folder / f"{shard(output, index)}.partial"
    flags = ["--shard", f"{index}/{SHARDS}"]
    for number in range(kills):
        process = runs.start("all.jsonl", output, *flags)
        begun = partial.stat().st_size if partial.exists() else 0
        more, seconds = rng.randrange(1, 60_000), rng.uniform(0, 1)
        end = time.monotonic() + seconds
        while process.poll() is None:
            # Every other time, whatever it is doing, such as its start.
            if number % 2 and time.monotonic() > end:
                break
            if not number % 2 and partial.exists() and partial.stat().st_size >= begun + more:
                break
            time.sleep(0.0005)
        process.kill()
        killed += process.wait() < 0
    runs.run("all.jsonl", output, *flags)
    return killed


def check_kills(runs: Runs, output: str, kills: int, seed: int) -> None:
    """All shards at a time. Line n of the whole is line n // SHARDS of shard n % SHARDS."""
    killed = [0] * SHARDS

    def one(index: int) -> None:
        rng = random.Random(seed + index)
        killed[index] = kill_often(runs, output, index, kills, rng)

    threads = [threading.Thread(target=one, args=[index]) for index in range(SHARDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = runs.lines("whole.jsonl")
    for index in range(SHARDS):
        path, expected = runs.folder / shard(output, index), whole[index::SHARDS]
        if output.endswith(".parquet"):
            check_columns(path, expected)
        else:
            assert path.read_text().splitlines() == expected, path
        assert not Path(f"{path}.partial").exists()
    assert sum(killed) > 0
    print(
        f"{output}: {SHARDS} shards, killed {sum(killed)} times, have each line once, as the whole"
    )


def check_memory(runs: Runs) -> None:
    """The memory does not grow with the number of rows."""
    peaks = []
    for count in (MANY // 100, MANY):
        with (runs.folder / "many.jsonl").open("w") as file:
            for number in range(count):
                file.write(f'{{"id": "{number}", "text": ""}}\n')
        process = runs.start("many.jsonl", f"many-{count}.jsonl")
        _, status, usage = os.wait4(process.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 3
        assert len(runs.lines(f"many-{count}.jsonl")) == count
        peaks.append(usage.ru_maxrss << 10)
    assert peaks[1] - peaks[0] < MEMORY, peaks
    shown = " and ".join(f"{peak >> 20} MiB" for peak in peaks)
    print(f"{MANY // 100} and {MANY} rows take {shown}")


def check_ray(binary: str, folder: Path, rng: random.Random) -> None:
    """Many rows of a fast method, so that both workers have some."""
    runs = Runs(binary, folder, "saliency")
    rows, lines = folder / "ray.jsonl", folder / "ray-results.jsonl"
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in make_rows(3000, rng)))
    runs.run(rows.name, lines.name)
    (folder / "bin").mkdir()
    (folder / "bin" / "explaind").symlink_to(binary)
    variables = os.environ | {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path("python").resolve()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = Path(__file__).with_name("ray_run.py")
    command = [sys.executable, script, rows, lines, "saliency", OPTIONS]
    subprocess.run(command, env=variables, check=True)


def main() -> None:
    given = arguments()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        runs = Runs(given.binary, Path(folder), "saliency,occlusion")
        files = write_rows(runs.folder, make_rows(given.rows, random.Random(given.seed)))
        runs.run("all.jsonl", "whole.jsonl")
        try:
            check_formats(runs, files)
            check_kills(runs, "killed.jsonl", given.kills, given.seed)
            check_kills(runs, "killed.parquet", given.kills, given.seed + SHARDS)
            check_memory(runs)
            if given.ray:
                check_ray(given.binary, runs.folder, random.Random(given.seed))
        except BaseException:
            print((runs.folder / "log").read_text()[-5000:], file=sys.stderr)
            raise


main()
