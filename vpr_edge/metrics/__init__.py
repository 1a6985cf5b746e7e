"""Figures from numpy arrays: recall, keypoints, segmentation. Knows no file and no network."""
