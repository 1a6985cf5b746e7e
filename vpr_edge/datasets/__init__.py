"""Readers of data sets, one module a layout, and the town that renders itself.

From outside import from `registry` (data sets by name or folder), from a layout's own module
(`corridor`, `sped`, `nordland`, `utm`, `tower`, `camvid`, `photographs`, `homographies`, `town`),
and the types they give: `images.Images`, `place_set.PlaceSet`,
`segmentation_set.SegmentationSet`, `homographies.HomographyPair`.
"""
