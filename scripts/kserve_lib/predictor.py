"""A predictor: a small model in KServe's own model server."""

import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer, model_server


def goodness(text):
    """The probability that a text is good, with an interaction of words."""
    words = text.lower().split()
    score = 0.2 + 0.3 * ("great" in words) - 0.1 * ("not" in words and "great" in words)
    return score + 0.05 * ("film" in words and "really" in words)


class Film(Model):
    def load(self):
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):
            rows = [[1 - goodness(text), goodness(text)] for text in payload["instances"]]
            return {"predictions": rows}
        texts = payload.inputs[0].as_numpy().flatten()
        texts = [text.decode() if isinstance(text, bytes) else text for text in texts]
        rows = np.array([[1 - goodness(text), goodness(text)] for text in texts])
        output = InferOutput("scores", list(rows.shape), "FP64")
        output.set_data_from_numpy(rows, binary_data=False)
        return InferResponse(payload.id, self.name, [output])


if __name__ == "__main__":
    arguments, _ = model_server.parser.parse_known_args(sys.argv[1:])
    model = Film(arguments.model_name)
    model.load()
    ModelServer(http_port=arguments.http_port, enable_grpc=False).start([model])
