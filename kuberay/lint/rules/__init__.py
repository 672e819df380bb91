"""The rules, a file for each subject; each ends with its `RULES`. The whole list is `kuberay.lint.rulebook`."""
