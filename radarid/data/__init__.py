"""From recordings to training data: the gait store, ingest, splits and face-gait pairs."""
