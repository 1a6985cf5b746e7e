"""Firmware packages: the manifests that let build systems take a generated folder as it is.

From outside import `package.{Package, write_package}` and `manifest.manifest`; the folder as a
whole is written by `vpr_edge.export.c_source`.
"""
