"""Plain torch modules whose weights are loaded from files: one architecture a file.

What belongs here: a module that a manifest names as `architecture` with backend `torch_module`. Each file gives
`build(parameters) -> torch.nn.Module`, where `parameters` are the manifest's and every default is the bundled model's.

- `forward(**inputs)` takes tensors by the names of the model's inputs, axis 0 the batch axis, and returns a mapping of
  output name to tensor. Rows do not depend on their neighbours. Outputs are float32 whatever the module's own type.
- The names in the state dict are those of the published weights, or the file also gives `adapt(state)`, which renames
  and drops tensors, so that the weights always load with `strict=True`.
- A module that rewrites itself once its weights are in (folding batch norm, say) has `finalize()`. It is called once,
  before the module is cast to another type.

What does not: finding, checking and reading files (`models.repository`, `models.backends`), device and type
(the backend's choice), training (`models.training`), text and image decoding (`serve_app.preprocessing`).
"""
