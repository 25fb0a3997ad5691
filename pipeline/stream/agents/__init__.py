"""The work on one partition, one kind a file; `holding` says what they have in common."""
