"""The files of a configuration directory beside the intent: operators, workarounds. Linted, every fault at once.

DIR/intent.yaml           what matters (`pipeline.intent`)
DIR/operators/NAME.yaml   one operator's feed
DIR/workarounds.yaml      what is known to be wrong, and until when it pages nobody
"""
