"""Training: a recipe (YAML) names the network, the data and the losses; `train` runs it.

From outside import `load_recipe` from `training.recipe` and `train` from `training.loop`.
"""
