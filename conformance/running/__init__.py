"""What runs cases.

`case` is the decorator that describes a case. `plugin` is the pytest plugin: it runs each case for each chosen
subject, variant, format and device. `chosen` has what the options choose, `result` the outcome as a report has it.
`runner` starts pytest with the plugin and writes the report. `aliasing_guard` gives a subject copies of arrays, and
sees whether it changes them. `trace` runs one case without pytest and keeps every comparison. `known_divergences`
says whether the entries for a library still match.
"""
