"""From what clients send to what models take: text to token ids, encoded images to pixels.

What belongs here: transforms, which are pure (arrays in, arrays out, rows in are rows out), the stage that runs one in
front of the next stage, and that stage's Serve shell. What does not: the arithmetic of a model's input, such as
normalisation, which runs on the model's device (`models.architectures`); the wire formats (`serve_app.ingress`).
"""
