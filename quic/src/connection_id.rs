//! Connection ids that are recognised after a restart.
