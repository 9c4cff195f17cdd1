"""Compares the service, through KServe's SDK, with its own API and with exact Shapley values."""

import asyncio
import contextlib
import itertools
import json
import math
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import grpc
import httpx
import manifests
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from kserve.protocol.infer_type import RequestedOutput
from predictor import goodness

TEXT = "This movie is really great."
BLACK_BOX = "not a really great film"
HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"EXPLAIND_LOG__FILTER": "error", "EXPLAIND_SERVER__PLAYGROUND": "false"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(*command, **variables):
    """Runs a service; yields its URL once it is ready."""
    environment = ENVIRONMENT | variables
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    # Without it, a service that never becomes ready would be waited for.
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
        port = re.search(r":(\d+)$", line.strip())
        assert port, f"no address in {line!r}"
        yield f"http://127.0.0.1:{port[1]}"
    finally:
        watchdog.cancel()
        process.terminate()
        process.wait(timeout=20)


@contextlib.contextmanager
def predictor(name):
    """Runs the SDK's model server; yields its address."""
    port = free_port()
    command = [sys.executable, HERE / "predictor.py", "--model_name", name, "--http_port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def own(url, route, body):
    request = urllib.request.Request(url + route, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


async def fails(status, call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        return error.response
    raise AssertionError(f"no error with the status {status}")


async def check_v1(url):
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        assert await client.is_server_live(url)
        assert await client.is_model_ready(url, "sentiment-en")
        await fails(404, client.is_model_ready(url, "other"))
        body = {"instances": [TEXT, {"text": "Terrible."}]}
        predicted = await client.infer(url, body, "sentiment-en")
        results = own(url, "/predict", {"inputs": body["instances"]})["results"]
        assert predicted == {"predictions": results}, predicted
        parameters = {"methods": ["lime"], "seed": 3}
        explained = await client.explain(url, "sentiment-en", body | {"parameters": parameters})
        results = own(url, "/explain", {"inputs": body["instances"]} | parameters)["results"]
        assert explained == {"explanations": results}
        wrong = await fails(422, client.infer(url, {"instances": [1]}, "sentiment-en"))
        assert wrong.json()["pointer"] == "/instances/0"
    print("V1: predictions, explanations, readiness")


async def check_v2(url):
    texts = np.array([TEXT, "Terrible."], dtype=np.object_)
    result = own(url, "/explain", {"inputs": list(texts), "attention": True})
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "sentiment-en")
        assert not await client.is_model_ready(url, "other")
        for binary in [False, True]:
            tensor = InferInput("text", [2], "BYTES")
            tensor.set_data_from_numpy(texts, binary_data=binary)
            select = {"layers": "all", "heads": "all", "binary_data": binary}
            outputs = [
                RequestedOutput("label", {"binary_data": binary}),
                RequestedOutput("probabilities", {"binary_data": binary}),
                RequestedOutput("attributions", {"binary_data": binary}),
                RequestedOutput("attention", select),
            ]
            request = InferRequest("sentiment-en", [tensor], "42", request_outputs=outputs)
            answer = await client.infer(url, request, "sentiment-en")
            assert answer.id == "42"
            label, probabilities, attributions, attention = [o.as_numpy() for o in answer.outputs]
            labels = [x.decode() if isinstance(x, bytes) else x for x in label]
            for row, one in enumerate(result["results"]):
                assert labels[row] == one["predictions"][0]["label"]
                for prediction in one["predictions"]:
                    found = probabilities[row][prediction["index"]]
                    assert found == np.float32(prediction["probability"])
                scores = one["explanations"][0]["attributions"]["token"]
                count = len(scores)
                assert (attributions[row][:count] == np.float32(scores)).all()
                weights = np.float32(one["attention"]["weights"])
                assert (attention[row][..., :count, :count] == weights).all()
    print("V2: tensors as JSON and binary, attention among them")


async def check_grpc(url):
    texts = np.array([TEXT, "Terrible."], dtype=np.object_)
    result = own(url, "/explain", {"inputs": list(texts), "attention": True})
    parameters = {"method": "integrated_gradients", "seed": 1}
    async with InferenceGRPCClient(url.removeprefix("http://")) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready("sentiment-en")
        for call in [client.is_model_ready("other")]:
            try:
                await call
                raise AssertionError("an unknown model has no error")
            except grpc.aio.AioRpcError as error:
                assert error.code() == grpc.StatusCode.NOT_FOUND, error
        for raw in [False, True]:
            tensor = InferInput("text", [2], "BYTES", data=list(texts))
            if raw:
                tensor.set_data_from_numpy(texts)
            names = ["label", "probabilities", "words", "attributions"]
            outputs = [RequestedOutput(name) for name in names]
            outputs.append(RequestedOutput("attention", {"layers": "all", "heads": "all"}))
            request = InferRequest(
                "sentiment-en", [tensor], "42", parameters=parameters, request_outputs=outputs
            )
            answer = await client.infer(request)
            assert answer.id == "42" and answer.model_name == "sentiment-en"
            [label, probabilities, _, attributions, attention] = [
                output.as_numpy() for output in answer.outputs
            ]
            for row, one in enumerate(result["results"]):
                assert label[row].decode() == one["predictions"][0]["label"]
                for prediction in one["predictions"]:
                    found = probabilities[row][prediction["index"]]
                    assert found == np.float32(prediction["probability"])
                scores = one["explanations"][0]["attributions"]["token"]
                count = len(scores)
                assert (attributions[row][:count] == np.float32(scores)).all()
                weights = np.float32(one["attention"]["weights"])
                assert (attention[row][..., :count, :count] == weights).all()
    # The calls that the client does not have.
    async with grpc.aio.insecure_channel(url.removeprefix("http://")) as channel:
        stub = GRPCInferenceServiceStub(channel)
        server = await stub.ServerMetadata(pb.ServerMetadataRequest())
        assert (server.name, list(server.extensions)) == ("explaind", ["binary_tensor_data"])
        model = await stub.ModelMetadata(pb.ModelMetadataRequest(name="sentiment-en"))
        rest = httpx.get(url + "/v2/models/sentiment-en").json()
        for listed, over_rest in [(model.inputs, rest["inputs"]), (model.outputs, rest["outputs"])]:
            tensors = [(t.name, t.datatype, list(t.shape)) for t in listed]
            assert tensors == [(t["name"], t["datatype"], t["shape"]) for t in over_rest]
        wrong = pb.ModelInferRequest(model_name="sentiment-en")
        wrong.inputs.add(name="text", datatype="BYTES", shape=[2]).contents.bytes_contents.append(b"a")
        try:
            await stub.ModelInfer(wrong)
            raise AssertionError("a wrong shape has no error")
        except grpc.aio.AioRpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert "/inputs/0/shape" in error.details(), error
    print("gRPC: the six calls, tensors as contents and raw, errors")


def shapley(words, value):
    """Shapley values by their definition."""
    totals = dict.fromkeys(range(len(words)), 0.0)
    for order in itertools.permutations(range(len(words))):
        present = set()
        for word in order:
            before = value(present)
            present.add(word)
            totals[word] += value(present) - before
    return [total / math.factorial(len(words)) for total in totals.values()]


async def check_runtime(binary):
    """Runs the container of the ClusterServingRuntime on a model in a folder."""
    [container] = manifests.read("runtime.yaml")["spec"]["containers"]
    arguments, variables = manifests.command(container, "sentiment")
    moved = {"0.0.0.0:8080": "127.0.0.1:0", "/mnt/models": "models/sentiment-en"}
    for there, here in moved.items():
        arguments = [argument.replace(there, here) for argument in arguments]
    with running(binary, *arguments, **variables) as url:
        probe = container["readinessProbe"]["httpGet"]["path"]
        host = {"Host": "sentiment.default.example.com"}
        assert httpx.get(url + probe, headers=host).status_code == 200
        async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
            body = {"instances": [TEXT]}
            explained = await client.explain(url, "sentiment", body, headers=host)
            assert len(explained["explanations"]) == 1
    print("the runtime's container predicts and explains a model of a folder")


async def check_explainer(binary, protocol):
    with predictor("film") as host:
        [container] = manifests.read("explainer.yaml")["spec"]["explainer"]["containers"]
        arguments, variables = manifests.command(container, "film")
        # As KServe's controller adds them.
        flags = ["--model_name", "film", "--predictor_host", host, "--http_port", "0"]
        flags += ["--predictor_protocol", protocol]
        with running(binary, *arguments, *flags, **variables) as url:
            async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
                assert await client.is_model_ready(url, "film")
                words = BLACK_BOX.split()
                text = lambda present: " ".join(
                    word if i in present else "[MASK]" for i, word in enumerate(words)
                )
                exact = shapley(words, lambda present: goodness(text(present)))
                methods = ["kernel_shap", "partition_shap", "occlusion", "lime"]
                body = {
                    "instances": [BLACK_BOX],
                    "parameters": {"methods": methods, "target": {"index": 1}},
                }
                explained = await client.explain(url, "film", body)
                [one] = explained["explanations"]
                assert [word["text"] for word in one["words"]] == words
                for explanation in one["explanations"][:2]:
                    scores = explanation["attributions"]["word"]
                    assert np.allclose(scores, exact, atol=1e-6), (scores, exact)
                drops = [
                    goodness(BLACK_BOX) - goodness(text(set(range(len(words))) - {i}))
                    for i in range(len(words))
                ]
                assert np.allclose(one["explanations"][2]["attributions"]["word"], drops, atol=1e-6)
                assert np.argmax(one["explanations"][3]["attributions"]["word"]) == 3
                rules = own(url, "/rules", {"model": "film", "inputs": BLACK_BOX})
                assert rules["results"][0]["prediction"]["index"] == int(goodness(BLACK_BOX) > 0.5)
    print(f"explainer of the SDK's server over {protocol}: Shapley values are exact")


async def main(binary):
    start = time.monotonic()
    manifests.check_all()
    with running(binary, "--listen", "127.0.0.1:0") as url:
        await check_v1(url)
        await check_v2(url)
        await check_grpc(url)
    await check_runtime(binary)
    for protocol in ["v1", "v2"]:
        await check_explainer(binary, protocol)
    print(f"passed in {time.monotonic() - start:.0f} s")


asyncio.run(main(sys.argv[1]))
