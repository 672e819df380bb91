"""A small HTTP client of the platform for the command line: JSON answers, and errors that say what to do."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from models.tensor import Array, TensorSpec
from serve_app import binary_call

DEFAULT_URL = "http://127.0.0.1:8000"
_LENGTH = struct.Struct("<I")


class WireError(Exception):
    """A request got no answer, or the answer says what is wrong."""


class WireClient:
    """Speaks to one platform.

    Args:
        url: Where it is, `http://127.0.0.1:8000` or with a path below which it lives.
        timeout_s: Limit of one call, seconds.
    """

    def __init__(self, url: str, timeout_s: float = 60.0) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # A proxy of the environment is never meant for the platform next door.
        self._session.trust_env = False

    def overview(self) -> dict[str, Any]:
        """Every model with its state and tensors.

        Raises:
            WireError: No answer, or not a platform's.
        """
        document = self._json("GET", "/", headers={"accept": "application/json"})
        if document.get("name") != "headrace" or not isinstance(document.get("models"), list):
            raise WireError(f"what answers at {self.url} is not Headrace; name its address with --url")
        return document

    def autoscaling(self) -> list[dict[str, Any]]:
        """Every deployment that follows its load, its decision and the changes before.

        Raises:
            WireError: No answer.
        """
        return list(self._json("GET", "/autoscaling")["deployments"])

    def metadata(self, model: str, version: str | None) -> dict[str, Any]:
        """The tensors of one model version.

        Raises:
            WireError: No answer, or there is no such model or version.
        """
        return self._json("GET", _model_path(model, version))

    def answers_ok(self, path: str) -> bool:
        """Whether GET on a path is answered 200; no answer is False."""
        try:
            return bool(self._session.get(self.url + path, timeout=self._timeout_s).ok)
        except requests.RequestException:
            return False

    def predict(self, model: str, version: str | None, input_data: object) -> dict[str, Any]:
        """Answer of `POST /predict`.

        Raises:
            WireError: No answer, or the platform refused; says why.
        """
        model_id = model if version is None else f"{model}:{version}"
        return self._json("POST", "/predict", json={"model_id": model_id, "input_data": input_data})

    def infer(
        self,
        model: str,
        version: str | None,
        inputs: Sequence[Mapping[str, Any]],
        files: Mapping[str, Sequence[bytes]] | None = None,
    ) -> dict[str, Any]:
        """Answer of the Open Inference Protocol's infer call, with outputs in JSON.

        Args:
            inputs: As the protocol writes them, data included.
            files: Name of a BYTES input to its elements, which are sent in binary.

        Raises:
            WireError: No answer, or the platform refused; says why.
        """
        entries = [dict(entry) for entry in inputs]
        tail = b""
        for name, elements in (files or {}).items():
            data = b"".join(_LENGTH.pack(len(element)) + element for element in elements)
            size = {"binary_data_size": len(data)}
            entries.append({"name": name, "datatype": "BYTES", "shape": [len(elements)], "parameters": size})
            tail += data
        head = json.dumps({"inputs": entries}).encode()
        headers = {"content-type": "application/json"}
        if tail:
            headers = {
                "content-type": "application/octet-stream",
                "inference-header-content-length": str(len(head)),
            }
        return self._json("POST", infer_path(model, version), data=head + tail, headers=headers)

    def infer_arrays(
        self,
        model: str,
        version: str | None,
        inputs: Sequence[tuple[TensorSpec, Array]],
        outputs: Sequence[TensorSpec],
    ) -> dict[str, Array]:
        """Answer of the infer call in its binary form.

        Args:
            outputs: What the model declares; the answer is checked against it.

        Raises:
            WireError: No answer, or the platform refused; says why.
            InvalidTensor: The answer is not what is declared.
        """
        headers, body = binary_call.encode(inputs)
        response = self._send("POST", infer_path(model, version), data=body, headers=headers)
        head_bytes = int(response.headers.get(binary_call.HEADER_LENGTH, len(response.content)))
        return binary_call.decode(head_bytes, response.content, outputs)

    def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = self._send(method, path, **options)
        document = _document(response)
        if document is None:
            raise _refusal(response, document)
        return document

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Give an answer that is good, or raise."""
        try:
            response = self._session.request(method, self.url + path, timeout=self._timeout_s, **options)
        except requests.ConnectionError as error:
            raise WireError(
                f"nothing answers at {self.url}; start it with `headrace serve`, or name its address with --url"
            ) from error
        except requests.Timeout as error:
            raise WireError(f"{self.url} gave no answer within {self._timeout_s:g} s") from error
        except requests.RequestException as error:
            raise WireError(f"{self.url}: {error}") from error
        if not response.ok:
            raise _refusal(response, _document(response))
        return response


def infer_path(model: str, version: str | None) -> str:
    """Where the infer call of a model goes, below the platform's address."""
    return _model_path(model, version) + "/infer"


def _document(response: requests.Response) -> dict[str, Any] | None:
    """The answer as a JSON object; None: it is none."""
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refusal(response: requests.Response, document: Mapping[str, Any] | None) -> WireError:
    reason = None if document is None else document.get("error")
    return WireError(str(reason or f"{response.url} answered {response.status_code} {response.reason}"))


def _model_path(model: str, version: str | None) -> str:
    path = f"/v2/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{quote(version, safe='')}"
