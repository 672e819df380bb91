"""How the bundled models that are Headrace's own were trained, so that anyone can train them again.

What belongs here: one script a model, run by hand as `python -m models.training.<name>`, with a fixed seed and a fixed
held-out split that the tests measure on. Nothing that serves imports it; scikit-learn comes with the development
requirements only.
"""
