"""Place maps: describing pictures and finding them again.

From outside import `describe.place_vector` and `search.rank`.
"""
