"""What `eval` judges: places, keypoints, segmentation, and parity of executions."""
