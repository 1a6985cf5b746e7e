"""Place maps: describing pictures and finding them again, on a computer and on the device.

From outside import `describe.place_vector`, `search.rank`, `centring.centred`,
`centred_so_far` and what chooses between them,
`sequence_matching.trajectory_similarity` and `averaged`, and from `device_map`
`build_device_map`, `DeviceMap` and `write_device_map`.
"""
