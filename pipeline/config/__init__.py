"""The files of a configuration directory: intent, operators, workarounds. Linted, every fault at once.

DIR/intent.yaml           what matters (`pipeline.config.intent`)
DIR/operators/NAME.yaml   one operator's feed
DIR/workarounds.yaml      what is known to be wrong, and until when it pages nobody
"""
