"""Headrace's tests; helpers that several of them share are modules beside this one."""
