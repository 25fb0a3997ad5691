"""From windows to patterns: baselines of cohorts, evidence, the lattice of scopes, change, explanation."""
