//! Who is calling, and how they prove it: tokens of programs and browsers, passwords and sessions of
//! admins. What they may do is decided where it is done.

pub mod keys;
pub mod tokens;

pub mod admins;
pub mod csrf;
pub mod passwords;
pub mod sessions;
pub mod throttle;
