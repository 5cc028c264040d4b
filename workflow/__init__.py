"""The pipeline: run, merge, build. Imports lglib.provenance; nothing imports it."""
