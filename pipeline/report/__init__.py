"""What came of it, for people to read afterwards: a replay as a backtest, and one incident as an account.

======================  ===============================================================================
courses                 while replaying: sums by cohort, channel and hour, bounded
bands                   a scope's signal over time: observed, expected, and where it should lie
backtest, comparison    pages against the budget and known incidents; two intents side by side
charts, lives           drawings as numbers: scales, ticks, lines; what an incident was when
page, sections          the page of a replay, in one file
account, cost           one incident from its first sign to what was learnt; what it cost
markdown                the account as Markdown
words                   numbers and times as pages say them
======================  ===============================================================================

`page` and `account` load the templates; the rest is what the command line needs without them.
"""
