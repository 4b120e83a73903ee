//! Parts of the example agents.
