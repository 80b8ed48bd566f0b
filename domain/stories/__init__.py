"""The use cases, one short function each: who may → seen before? → valid? → lock → decide → save everything.

A story holds no arithmetic; the rules it calls hold no `await`.
"""
