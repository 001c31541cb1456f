"""drorch beside restic and borg: the same data, the same machine, the same run.

`python -m benchmarks` measures every tool that is on PATH, in alternating passes, and holds drorch's figures
against the bars it must meet. It promises that all tools are treated alike: the same data set from a fixed
seed, the same page cache, the same sampler of memory, encryption in all of them.
"""
