"""The losses, one module a task: each a function of tensors, to be weighted by a recipe.

From outside import the modules: `places`, `imitation` (teachers and float networks), `keypoints`
and `corners`, `inliers`, `segmentation`, `depth`, `domain`.
"""
