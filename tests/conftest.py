"""Lets the tests import the local_cloud package: pytest puts the folder of this file on the path."""
