"""Runtimes that run a model version: one a file, each imported only when a manifest asks for it.

What belongs here: reading a weights or graph file safely, and running one batch of arrays. Each runtime's file gives
`load(manifest, files, compute) -> models.model.Model`; `loader.load_model` picks it.

- No file is ever unpickled, and none runs code of its own: what would is refused as `models.errors.UnsafeFile`.
- Inputs may be read-only and may share memory with other requests: a backend never writes to them.
- Outputs are C-contiguous numpy arrays, one per declared output, checked by `outputs.checked_outputs`.

What does not: where files come from and whether their content is right (`models.repository`), modules in Python
(`models.architectures`), batching and threads (`serve_app`).
"""
