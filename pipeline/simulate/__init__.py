"""Seeded fleets with the nuisances of real ones, faults to choose, and what they would have sent.

======================  ===============================================================================
fleet, population       who there is: operators, classes, firmwares, environments, operations; presets
nuisances               what goes on without any fault: cycles, moods of days, shocks, roll-outs, outages
faults                  what can be made to go wrong, and its form on the command line
world                   the above, drawn for one seed: conditions of every cohort in every minute
traffic                 visits of devices and the attempts they make under those conditions
devices                 what persists of each device: its clock, its counter
transport               what becomes of the reports on their way: late, lost, twice, out of order
events                  NDJSON in arrival order
windows, units          the same fleet as window messages, without making events
truth                   what a detector should say about the injected faults
======================  ===============================================================================

Everything is drawn from a seed, so a run is repeatable to the byte; no wall clock is read. Nothing is injected into
a stream that is not simulated.
"""
