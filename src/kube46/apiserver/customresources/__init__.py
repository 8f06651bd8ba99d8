"""Kinds that CustomResourceDefinitions make: served, validated, defaulted and pruned as their schemas say."""
