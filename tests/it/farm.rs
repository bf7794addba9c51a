//! The farm as a process, under load and in trouble. `ENVFARM_LONG_TESTS=1` runs the long versions.

mod crashes;
mod disk;
mod hostile;
mod load;
