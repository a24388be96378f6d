"""Prints where each of the packages named is imported from."""

import importlib
import json
import sys

print(json.dumps([importlib.import_module(name).__file__ for name in sys.argv[1:]]))
