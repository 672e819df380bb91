"""`python -m kuberay`."""

from kuberay.command import app

if __name__ == "__main__":
    app()
