//! What programs and browsers talk to: one file per resource, JSON only.

pub mod health;
