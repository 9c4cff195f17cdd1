"""Runs a notebook from its first to its last cell, and checks that it shows heat maps."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

path = Path(sys.argv[1])
notebook = nbformat.read(path, as_version=4)
NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()

outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
shown = [output.data.get("text/html", "") for output in outputs if "data" in output]
heat_maps = [page for page in shown if 'class="explaind"' in page]
tables = [page for page in shown if "<table" in page]
assert any("wonderful</span>" in page for page in heat_maps), "no heat map of the first text"
assert tables, "no table"
print(f"{len(notebook.cells)} cells, {len(heat_maps)} heat maps, {len(tables)} tables")
