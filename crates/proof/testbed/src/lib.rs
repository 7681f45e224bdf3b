//! Real hosts in namespaces, simulated fleets, end-to-end stories.
