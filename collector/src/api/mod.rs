//! What programs and browsers talk to: one file per resource, JSON only.

pub mod batches;
pub mod catalog;
pub mod configuration;
pub mod enroll;
pub mod heartbeats;

pub mod health;
