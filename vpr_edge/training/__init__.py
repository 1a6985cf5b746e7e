"""Training: a recipe (YAML) names the network, the data and the losses; `train` runs it.

From outside import `load_recipe` from `training.recipe`, `recipe_config` from `training.network`,
`load_data` from `training.data`, `train` from `training.loop`, `chain` and `run_chain` from
`training.stages`.
"""
