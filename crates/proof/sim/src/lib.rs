//! Engine, loop, agents and faults in one process, from a seed.
