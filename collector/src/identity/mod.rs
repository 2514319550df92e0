//! Who is calling, and how they prove it: keys, passwords and sessions of
//! admins. What they may do is decided where it is done.

pub mod keys;

pub mod accounts;
pub mod admins;
pub mod csrf;
pub mod passwords;
pub mod sessions;
pub mod throttle;
