//! People change lists while everybody browses: each request is decided by one version of the lists, whole, and a change is
//! in force within a second of its command.

mod busy;
mod forgetting;
mod load;
mod model;
mod proof;
mod school;
