"""Objects of transformers and Captum, where they are installed."""

import pytest

from explaind import Client

transformers = pytest.importorskip("transformers")
TEXT = "The plot was thin, but the music is wonderful."


def test_a_pipeline_is_explained_as_it_predicts(model_folder):
    pipeline = transformers.pipeline("text-classification", model=str(model_folder))
    with Client() as client:
        result = client.explain(TEXT, model=pipeline)
        assert client.explain(TEXT, model=pipeline).explanations == result.explanations
    (expected,) = pipeline(TEXT)
    best = result.predictions[0]
    assert best.label == expected["label"]
    assert best.probability == pytest.approx(expected["score"], abs=1e-5)


def test_records_are_shown_by_captum(model_folder):
    visualization = pytest.importorskip("captum.attr").visualization
    with Client() as client:
        result = client.explain(TEXT, methods=["saliency", "integrated_gradients"])
    records = result.to_captum()
    assert [record.attr_class for record in records] == ["POSITIVE", "POSITIVE"]
    assert records[1].raw_input_ids == [token.text for token in result.tokens]
    page = visualization.visualize_text(records).data
    assert page.count("wonderful") == 2
