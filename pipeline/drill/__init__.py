"""Drills: calibrated faults in a stream that is nobody's production, and what the detector makes of them.

======================  ===============================================================================
plan                    what is to be injected and what is expected, from the intent or a drill file
file                    drill files: `drills/*.yaml`
usual                   what a stream is like without faults: whom there is, how much, how good
calibrate               whom a fault hits and how strong it must be, given what is usual and tolerated
routing                 to whom the intent would have an incident routed
streams, recorded       simulated and recorded streams, each with one history and any number of continuations
spoil                   faults in recorded records
watch                   reads the incidents of one continuation: found, when, with which scope, what else
rehearsal               one history, the quiet control, every fault; in one process or several
outcome, report         what came of it: outcomes, proofs, exit status; text, Markdown, HTML
======================  ===============================================================================

The stages are those of `engine`; nothing here knows a broker. What is drilled is always a stream of its own:
`stream.shadow` writes one to a topic, and refuses every topic that is an operator's input.
"""
