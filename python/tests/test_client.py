"""The client against the program of the installed package."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import explaind
from explaind import AsyncClient, Client, Problem, ProblemError, Result, Results, _server, explain

TEXT = "The plot was thin, but the music is wonderful."


@pytest.fixture(scope="module")
def client():
    with Client() as client:
        yield client


def test_explains_a_text_with_a_service_of_its_own():
    result = explain(TEXT)
    assert isinstance(result, Result)
    best = result.predictions[0]
    assert best.label == "POSITIVE"
    (explanation,) = result.explanations
    assert explanation.method == "integrated_gradients"
    assert explanation.target_name == "POSITIVE"
    table = result.to_pandas()
    assert table.text[table.score.idxmax()] == "wonderful"
    assert table.text[table.score.idxmin()] == "thin"
    total = sum(explanation.attributions["token"])
    change = explanation.output_value - explanation.baseline_value
    assert total - change == pytest.approx(explanation.convergence_delta, abs=1e-5)
    assert result.attention.shape == [1, 1, len(result.tokens), len(result.tokens)]
    assert explanation.output_value == best.logit


def test_clients_share_the_service(client):
    with Client() as other:
        assert other.url == client.url == _server.shared().url


def test_the_environment_names_a_service(client, monkeypatch):
    monkeypatch.setenv("EXPLAIND_URL", "http://127.0.0.1:9")
    with Client() as other:
        assert other.url == "http://127.0.0.1:9"


def test_lists_keep_their_order_and_one_failure_does_not_spoil_the_others(client):
    results = client.explain(["A great film.", "word " * 300, ("Great.", "Bad.")])
    assert isinstance(results, Results)
    assert results.model["id"] == "sentiment-en"
    first, second, third = results
    assert first.words[1].text == "great"
    assert isinstance(second, Problem) and second.code == "input_too_long"
    assert [word.segment for word in third.words] == [0, 0, 1, 1]
    table = results.to_pandas()
    assert sorted(set(table["input"])) == [0, 2]
    assert len(table) == len(first.words) + len(third.words)


def test_problems_name_the_field(client):
    with pytest.raises(ProblemError) as caught:
        client.explain(TEXT, methods=["astrology"])
    problem = caught.value.problem
    assert (problem.status, problem.code) == (422, "method_not_supported")
    assert problem.pointer == "/methods/0"
    with pytest.raises(ProblemError, match="model_not_found"):
        client.predict(TEXT, model="nothing")


def test_options_are_the_fields_of_the_api(client):
    schemas = client.request("GET", "/openapi.json")["components"]["schemas"]
    for options, schema in [
        (explaind.ExplainOptions, "ExplainRequest"),
        (explaind.PredictOptions, "PredictRequest"),
    ]:
        fields = set(schemas[schema]["properties"]) - {"inputs"}
        assert set(options.__annotations__) == fields


def test_predicts_as_it_explains(client):
    assert client.predict(TEXT).predictions == client.explain(TEXT).predictions
    assert list(client.predict(TEXT).to_pandas()["label"]) == ["POSITIVE", "NEGATIVE"]


def test_tables_have_a_row_per_word_and_method(client):
    result = client.explain(TEXT, methods=["saliency", "occlusion"], target="all")
    table = result.to_pandas()
    assert len(table) == 2 * 2 * len(result.words)
    assert {TEXT[row.start : row.end] == row.text for row in table.itertuples()} == {True}
    chosen = table[(table.method == "occlusion") & (table.target == "NEGATIVE")]
    (scores,) = [
        each.attributions["word"]
        for each in result.explanations
        if each.method == "occlusion" and each.target_name == "NEGATIVE"
    ]
    assert list(chosen.score) == scores
    assert len(result.to_pandas(unit="token")) == 2 * 2 * len(result.tokens)


def test_contrasts_have_a_name(client):
    result = client.explain(TEXT, target={"contrast": ["POSITIVE", "NEGATIVE"]})
    assert result.explanations[0].target_name == "POSITIVE - NEGATIVE"


def test_heat_maps_show_every_word_and_no_markup_of_the_text(client):
    page = client.explain("<script>alert('great')</script> & bad")._repr_html_()
    assert "<script" not in page
    assert "&lt;" in page and "&amp;" in page
    shown = client.explain(TEXT)._repr_html_()
    assert "wonderful</span>" in shown and "dashed" in shown
    assert "input" in client.explain(["Great.", "word " * 300])._repr_html_()


def test_folders_are_loaded_once(client, model_folder):
    result = client.explain(TEXT, model=model_folder)
    again = client.explain(TEXT, model=str(model_folder))
    assert result.explanations == again.explanations
    ids = [each["id"] for each in client.request("GET", "/models")["models"]]
    assert len([each for each in ids if each.startswith(f"{model_folder.name}-")]) == 1
    assert client.load(model_folder, id="mine") == "mine"
    assert client.predict(TEXT, model="mine").predictions == result.predictions


def test_a_folder_without_a_model_says_what_is_missing(client, tmp_path):
    with pytest.raises(ProblemError, match="config.json"):
        client.load(tmp_path)


def test_async_calls_give_the_same(client, model_folder):
    async def both():
        async with AsyncClient() as other:
            explained = other.explain(TEXT, methods="saliency")
            return await asyncio.gather(explained, other.predict(TEXT, model=model_folder))

    explained, predicted = asyncio.run(both())
    assert explained.explanations == client.explain(TEXT, methods="saliency").explanations
    assert predicted.predictions == client.predict(TEXT, model=model_folder).predictions


def test_the_module_is_the_command_line():
    arguments = [sys.executable, "-m", "explaind", "explain", "--json", TEXT]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert '"wonderful"' in printed
    refused = subprocess.run([sys.executable, "-m", "explaind", "nonsense"], capture_output=True)
    assert refused.returncode == 2


def test_the_service_ends_with_python():
    code = "from explaind import Client, _server; Client(); print(_server.shared()._process.pid)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int(printed), 0)


def test_a_service_that_cannot_start_says_why(monkeypatch):
    monkeypatch.setenv("EXPLAIND_ENGINE__THREADS", "many")
    with pytest.raises(explaind.ServerError, match="threads"):
        _server.LocalServer()


def test_the_program_is_that_of_the_package():
    assert Path(_server.binary()).parent == Path(sys.executable).parent
