"""OpenSLO v1, read strictly: what can't be honoured is an error with its reason, not ignored.

The specification: https://github.com/OpenSLO/OpenSLO (apiVersion `openslo/v1`).
"""
