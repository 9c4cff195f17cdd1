"""A typical explanation server with FastAPI, transformers and Captum.

    python server.py MODEL_DIR --port P [--one-at-a-time] [--threads N]

POST /explain takes {"inputs": "text"}; GET /health responds once the model is loaded. The
endpoint is a plain function, which FastAPI runs in its thread pool, and Captum has its defaults.
Captum registers hooks on the model, which concurrent requests share: without `--one-at-a-time`
most concurrent requests fail with status 500, and a few return wrong scores.
"""

import argparse
from contextlib import nullcontext
from pathlib import Path
from threading import Lock

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from classifier import Classifier, cores


class ExplainRequest(BaseModel):
    """The body of POST /explain."""

    inputs: str


def make_app(classifier: Classifier, guard) -> FastAPI:
    """The service; `guard` is held while the model runs."""
    app = FastAPI()

    @app.get("/health")
    def health() -> dict:
        return {"status": "ok"}

    @app.post("/explain")
    def explain(request: ExplainRequest) -> dict:
        with guard:
            explanation = classifier.explain(request.inputs)
        scores = explanation.logits.softmax(-1).tolist()
        labels = classifier.model.config.id2label
        predictions = [{"label": labels[i], "score": score} for i, score in enumerate(scores)]
        predictions.sort(key=lambda prediction: -prediction["score"])
        return {
            "predictions": predictions,
            "tokens": classifier.tokenizer.convert_ids_to_tokens(explanation.input_ids),
            "attributions": explanation.token_scores,
            "convergence_delta": explanation.delta,
        }

    return app


def main() -> None:
    """Load the model, then serve it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="MODEL_DIR")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--one-at-a-time", action="store_true", help="lock the model")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    guard = Lock() if arguments.one_at_a_time else nullcontext()
    app = make_app(Classifier(arguments.folder), guard)
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
