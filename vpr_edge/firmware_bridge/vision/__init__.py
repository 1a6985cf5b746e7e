"""From a camera's frame to the input, and from output maps to keypoints, labels and places."""
