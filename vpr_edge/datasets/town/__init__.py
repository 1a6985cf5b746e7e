"""The built-in data set: a town that is rendered here, in every light and weather.

From outside import from `rendered`.
"""
