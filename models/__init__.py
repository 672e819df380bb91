"""What a model is: its tensors, manifest, repository, backends and the bundled catalogue.

No Ray and no HTTP in here: everything works in a plain Python process. Serving belongs in `serve_app`.
"""
