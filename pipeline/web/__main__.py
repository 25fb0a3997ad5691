"""`python -m pipeline.web > docs/openapi.json`: the description of the API; a test compares it with what is served."""

import sys

import msgspec

from pipeline.web.openapi import document

if __name__ == "__main__":
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document()), indent=1).decode() + "\n")
